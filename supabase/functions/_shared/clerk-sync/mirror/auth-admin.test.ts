import { describe, expect, test, vi } from "vitest";
import { type AuthUserInput, createAuthAdmin } from "./auth-admin.ts";

const id = "11111111-1111-5111-8111-111111111111";
const stored = { id, email: "ada@example.com", phone: "", app_metadata: { clerk_id: "user_1" } };
const input: AuthUserInput = {
  id,
  email: "ada@example.com",
  email_confirm: true,
  app_metadata: { clerk_id: "user_1", role: "user" },
  user_metadata: { clerk_id: "user_1", full_name: "Ada", role: "user" },
};

type Sent = { url: string; init: RequestInit };

/** The door over a server that gives this answer, and the requests it got. */
function authOver(answer: () => Response | Promise<Response>) {
  const sent: Sent[] = [];
  const send: typeof fetch = async (url, init = {}) => {
    sent.push({ url: String(url), init });
    return answer();
  };
  const options = { supabaseUrl: "https://ref.supabase.co", secretKey: "sb_secret_1", fetch: send };
  return { auth: createAuthAdmin(options), sent };
}

const answering = (status: number, body: unknown) => authOver(() => Response.json(body, { status }));
const base = "https://ref.supabase.co/auth/v1/admin/users";

describe("requests", () => {
  test("create is a POST of the input with the key in both headers", async () => {
    const { auth, sent } = answering(200, stored);
    expect(await auth.createUser(input)).toEqual({ ok: true, user: stored });
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({
      url: base,
      init: {
        method: "POST",
        body: JSON.stringify(input),
        redirect: "error",
        headers: { apikey: "sb_secret_1", authorization: "Bearer sb_secret_1", "content-type": "application/json" },
      },
    });
  });

  test("read is a GET of the id without a body", async () => {
    const { auth, sent } = answering(200, stored);
    expect(await auth.getUser(id)).toEqual({ ok: true, user: stored });
    expect(sent[0]).toMatchObject({ url: `${base}/${id}`, init: { method: "GET" } });
    expect(sent[0]?.init).not.toHaveProperty("body");
  });

  test("update is a PUT of the input to the id", async () => {
    const { auth, sent } = answering(200, stored);
    expect(await auth.updateUser(id, input)).toEqual({ ok: true, user: stored });
    expect(sent[0]).toMatchObject({ url: `${base}/${id}`, init: { method: "PUT", body: JSON.stringify(input) } });
  });

  test("delete is a DELETE of the id, whose empty answer is success", async () => {
    const { auth, sent } = answering(200, {});
    expect(await auth.deleteUser(id)).toEqual({ ok: true, user: { id, app_metadata: {} } });
    expect(sent[0]).toMatchObject({ url: `${base}/${id}`, init: { method: "DELETE" } });
  });

  test("find asks for up to 1,000 users whose email contains the text", async () => {
    const { auth, sent } = answering(200, {
      users: [stored, { id: "5f0d6a0e-4f5c-5d0b-9a57-6a2f3c1d8e42", email: null, app_metadata: null }],
      aud: "x",
    });
    expect(await auth.findUsers("a+b&c=d@example.com")).toEqual([
      stored,
      { id: "5f0d6a0e-4f5c-5d0b-9a57-6a2f3c1d8e42", email: null, app_metadata: {} },
    ]);
    expect(sent[0]?.url).toBe(`${base}?per_page=1000&filter=a%2Bb%26c%3Dd%40example.com`);
    expect(sent[0]?.init.method).toBe("GET");
  });

  test("no request asks for the newer error format, which hides the SQLSTATE of a taken email", async () => {
    const { auth, sent } = answering(200, { ...stored, users: [] });
    await Promise.all([auth.createUser(input), auth.getUser(id), auth.updateUser(id, input), auth.findUsers("a")]);
    await auth.deleteUser(id);
    expect(sent).toHaveLength(5);
    for (const { init } of sent) expect(new Headers(init.headers).has("x-supabase-api-version")).toBe(false);
  });

  test.each([
    [{}, 10_000],
    [{ timeoutMilliseconds: 250 }, 250],
  ])("with %o a request is given up after %i ms", async (options, milliseconds) => {
    const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(AbortSignal.abort(new Error("timed out")));
    const send: typeof fetch = async (_, init) => {
      init?.signal?.throwIfAborted();
      return Response.json(stored);
    };
    const auth = createAuthAdmin({ supabaseUrl: "https://x", secretKey: "k", fetch: send, ...options });
    await expect(auth.getUser(id)).rejects.toMatchObject({ code: "auth_unavailable", retryable: true });
    expect(timeout).toHaveBeenCalledWith(milliseconds);
    timeout.mockRestore();
  });
});

test("a door with a deadline ends every call of it, however long each may take", async () => {
  const send: typeof fetch = async (_, init) => {
    init?.signal?.throwIfAborted();
    return Response.json(stored);
  };
  const auth = createAuthAdmin({ supabaseUrl: "https://x", secretKey: "k", fetch: send });
  const deadline = new AbortController();
  const limited = auth.until(deadline.signal);
  expect(await limited.getUser(id)).toMatchObject({ ok: true });
  deadline.abort();
  await expect(limited.getUser(id)).rejects.toMatchObject({ code: "auth_unavailable", retryable: true });
  expect(await auth.getUser(id)).toMatchObject({ ok: true });
});

describe("an answer that says why not", () => {
  test.each([
    ["a taken email", 422, { code: 422, error_code: "email_exists", msg: "taken" }, "email_exists"],
    ["a taken email in the newer format", 422, { code: "email_exists", message: "taken" }, "email_exists"],
    ["a taken phone", 422, { code: 422, error_code: "phone_exists", msg: "taken" }, "phone_exists"],
    ["a taken id, or a taken email on update", 500, { code: "23505", message: "duplicate key" }, "23505"],
    ["a foreign key on delete", 500, { code: "23503", message: "violates" }, "23503"],
    ["an unknown user", 404, { code: 404, error_code: "user_not_found", msg: "none" }, "user_not_found"],
    ["an invalid email", 400, { code: 400, error_code: "validation_failed", msg: "no" }, "validation_failed"],
    ["no code", 422, { msg: "no" }, "http_422"],
    ["only its status as code", 422, { code: 422, msg: "no" }, "http_422"],
    ["an unexpected form", 404, ["none"], "http_404"],
  ])("%s is returned", async (_, status, body, code) => {
    const { auth } = answering(status, body);
    const failure = { ok: false, status, code };
    expect(await auth.createUser(input)).toEqual(failure);
    expect(await auth.getUser(id)).toEqual(failure);
    expect(await auth.updateUser(id, input)).toEqual(failure);
    expect(await auth.deleteUser(id)).toEqual(failure);
  });

  test("a page that is not JSON is returned by its status", async () => {
    const { auth } = authOver(() => new Response("<h1>Not found</h1>", { status: 404 }));
    expect(await auth.getUser(id)).toEqual({ ok: false, status: 404, code: "http_404" });
  });
});
