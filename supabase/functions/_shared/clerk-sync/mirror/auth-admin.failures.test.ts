import { describe, expect, test } from "vitest";
import { type AuthAdmin, type AuthUserInput, createAuthAdmin } from "./auth-admin.ts";

const id = "11111111-1111-5111-8111-111111111111";
const input: AuthUserInput = { email: "ada@example.com", app_metadata: {}, user_metadata: {} };

function authOver(answer: () => Response | Promise<Response>): AuthAdmin {
  const send: typeof fetch = async () => answer();
  return createAuthAdmin({ supabaseUrl: "https://ref.supabase.co", secretKey: "sb_secret_1", fetch: send });
}

const methods: [string, (auth: AuthAdmin) => Promise<unknown>][] = [
  ["createUser", (auth) => auth.createUser(input)],
  ["getUser", (auth) => auth.getUser(id)],
  ["updateUser", (auth) => auth.updateUser(id, input)],
  ["deleteUser", (auth) => auth.deleteUser(id)],
  ["findUsers", (auth) => auth.findUsers("ada")],
];
const methodsThatRead = methods.filter(([name]) => name !== "deleteUser");
const unavailable = { name: "SyncError", code: "auth_unavailable", retryable: true, retryAfterSeconds: undefined };

describe.each(methods)("%s", (_, callBy) => {
  test("throws auth_unavailable with the cause when the server cannot be reached", async () => {
    const cause = new TypeError("fetch failed");
    const failure = callBy(authOver(() => Promise.reject(cause)));
    await expect(failure).rejects.toMatchObject({ ...unavailable, cause });
  });

  test.each([
    ["an unexpected failure", 500, '{"code":500,"error_code":"unexpected_failure","msg":"Database error"}'],
    ["an unexpected failure in the newer format", 500, '{"code":"unexpected_failure","message":"Database error"}'],
    ["a timeout", 504, '{"code":504,"error_code":"request_timeout","msg":"timed out"}'],
    ["a page of the gateway", 502, "<h1>Bad gateway</h1>"],
    ["nothing", 503, ""],
  ])("throws auth_unavailable when the server answers %s", async (__, status, body) => {
    const failure = callBy(authOver(() => new Response(body, { status })));
    await expect(failure).rejects.toMatchObject({ ...unavailable, message: `Supabase Auth answered ${status}.` });
  });

  test.each([
    ["7", 7],
    ["0", 0],
    ["Wed, 21 Oct 2026 07:28:00 GMT", undefined],
    ["-1", undefined],
    ["soon", undefined],
  ])("throws auth_rate_limited on 429 with Retry-After %s", async (value, retryAfterSeconds) => {
    const failure = callBy(authOver(() => new Response("", { status: 429, headers: { "retry-after": value } })));
    await expect(failure).rejects.toMatchObject({ code: "auth_rate_limited", retryable: true, retryAfterSeconds });
  });

  test("throws auth_rate_limited on 429 without Retry-After", async () => {
    const failure = callBy(authOver(() => new Response("", { status: 429 })));
    await expect(failure).rejects.toMatchObject({ code: "auth_rate_limited", retryAfterSeconds: undefined });
  });

  test.each([401, 403])(
    "throws auth_unauthorized on %i, to be tried again, without repeating the key",
    async (status) => {
      const failure = callBy(authOver(() => Response.json({ msg: "bad key" }, { status })));
      await expect(failure).rejects.toMatchObject({ name: "SyncError", code: "auth_unauthorized", retryable: true });
      await expect(failure).rejects.not.toThrow("sb_secret_1");
    },
  );
});

test("find throws auth_unavailable when the server refuses to search", async () => {
  const auth = authOver(() => Response.json({ error_code: "validation_failed" }, { status: 400 }));
  await expect(auth.findUsers("ada")).rejects.toMatchObject(unavailable);
});

describe.each(methodsThatRead)("%s", (_, callBy) => {
  test.each([
    ["is not JSON", "<h1>Welcome</h1>"],
    ["has another form", '{"user":"ada"}'],
  ])("throws auth_unavailable when a successful answer %s", async (__, body) => {
    await expect(callBy(authOver(() => new Response(body)))).rejects.toMatchObject(unavailable);
  });

  test("throws auth_unavailable when the connection breaks within a successful answer", async () => {
    const broken = () =>
      new Response(
        new ReadableStream({
          start: (controller) => {
            controller.enqueue(new TextEncoder().encode('{"id":'));
            controller.error(new TypeError("terminated"));
          },
        }),
      );
    await expect(callBy(authOver(broken))).rejects.toMatchObject(unavailable);
  });
});
