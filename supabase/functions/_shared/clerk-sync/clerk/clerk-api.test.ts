import { describe, expect, test } from "vitest";
import { fixtureBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { createClerkApi } from "./clerk-api.ts";

const id = "user_35rT8mQvXk2LhN4pZsYcWb6JdGe";

type Seen = { url: string; init: RequestInit | undefined };

/** A client whose requests are answered by `answer`. */
function clientOver(answer: () => Response | Promise<Response>, options: { apiUrl?: string } = {}) {
  const seen: Seen[] = [];
  const send = async (url: string | URL | Request, init?: RequestInit) => {
    seen.push({ url: String(url), init });
    return answer();
  };
  return { seen, api: createClerkApi({ secretKey: "sk_test_secret", fetch: send, ...options }) };
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  () =>
    new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
const clerkError = (status: number, code: string, headers = {}) =>
  json(status, { errors: [{ message: "m", long_message: "ada@example.com", code }], clerk_trace_id: "t" }, headers);

const { data } = JSON.parse(new TextDecoder().decode(fixtureBytes("user.created")));

describe("a user that Clerk has", () => {
  test("comes with its version and without private_metadata", async () => {
    const { api } = clientOver(json(200, { ...data, private_metadata: { secret: 1 } }));
    const fresh = await api.readUser(data.id);
    expect(fresh).toMatchObject({ deleted: false, version: data.updated_at, user: { id: data.id } });
    expect(JSON.stringify(fresh)).not.toContain("secret");
  });

  test("is asked for with the key, the pinned API version and no redirects", async () => {
    const { api, seen } = clientOver(json(200, data));
    await api.readUser(data.id);
    expect(seen).toMatchObject([
      {
        url: `https://api.clerk.com/v1/users/${data.id}`,
        init: {
          redirect: "error",
          headers: { authorization: "Bearer sk_test_secret", "clerk-api-version": "2026-05-12" },
        },
      },
    ]);
  });

  test.each(["http://127.0.0.1:9", "http://127.0.0.1:9/", "http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1/"])(
    "is found with CLERK_API_URL %s",
    async (apiUrl) => {
      const { api, seen } = clientOver(json(200, data), { apiUrl });
      await api.readUser(data.id);
      expect(seen[0]?.url).toBe(`http://127.0.0.1:9/v1/users/${data.id}`);
    },
  );

  test("an id that is no path segment cannot reach another route", async () => {
    const { api, seen } = clientOver(clerkError(404, "resource_not_found"));
    await api.readUser("../users?limit=500");
    expect(seen[0]?.url).toBe("https://api.clerk.com/v1/users/..%2Fusers%3Flimit%3D500");
  });

  test("another user than asked for is not believed", async () => {
    const { api } = clientOver(json(200, data));
    await expect(api.readUser("user_other")).rejects.toMatchObject({ code: "clerk_unavailable", retryable: true });
  });

  test.each([
    ["no user", json(200, { object: "user" })],
    ["a list", json(200, [])],
    ["HTML", () => new Response("<html>", { status: 200 })],
  ])("%s in its place is an outage", async (_, answer) => {
    await expect(clientOver(answer).api.readUser(id)).rejects.toMatchObject({
      code: "clerk_unavailable",
      retryable: true,
    });
  });
});

describe("a deletion", () => {
  test("is Clerk's own resource_not_found", async () => {
    expect(await clientOver(clerkError(404, "resource_not_found")).api.readUser(id)).toEqual({ deleted: true });
  });

  test.each([
    ["a page of a proxy", () => new Response("<html>not found</html>", { status: 404 })],
    ["JSON of somebody else", json(404, { message: "not found" })],
    ["another code of Clerk's", clerkError(404, "instance_not_found")],
    ["an empty list of errors", json(404, { errors: [] })],
  ])("is not a 404 that is %s", async (_, answer) => {
    const { api } = clientOver(answer);
    await expect(api.readUser(id)).rejects.toMatchObject({
      code: "clerk_unavailable",
      retryable: true,
      message: expect.stringContaining("CLERK_API_URL"),
    });
  });

  test("is not resource_not_found with another status", async () => {
    await expect(clientOver(clerkError(422, "resource_not_found")).api.readUser(id)).rejects.toMatchObject({
      code: "clerk_rejected",
    });
  });
});

describe("a failure", () => {
  test.each([401, 403])("%i names the variable, not the key, and is tried again", async (status) => {
    const error = await clientOver(clerkError(status, "clerk_key_invalid"))
      .api.readUser(id)
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "clerk_unauthorized", retryable: true });
    expect(error.message).toContain("CLERK_SECRET_KEY");
    expect(error.message).not.toContain("sk_test_secret");
  });

  test.each([
    ["7", 7],
    ["0", 0],
    ["999999", 3600],
    ["soon", undefined],
    ["-5", undefined],
  ])("429 with Retry-After %s waits %o seconds", async (header, seconds) => {
    const { api } = clientOver(clerkError(429, "too_many_requests", { "retry-after": header }));
    const error = await api.readUser(id).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "clerk_rate_limited", retryable: true });
    expect(error.retryAfterSeconds).toBe(seconds);
  });

  test.each([500, 502, 503, 504])("%i is an outage", async (status) => {
    const { api } = clientOver(() => new Response("<html>", { status }));
    await expect(api.readUser(id)).rejects.toMatchObject({ code: "clerk_unavailable", retryable: true });
  });

  test("no connection is an outage that keeps its cause", async () => {
    const cause = new TypeError("fetch failed");
    const { api } = clientOver(() => Promise.reject(cause));
    await expect(api.readUser(id)).rejects.toMatchObject({ code: "clerk_unavailable", retryable: true, cause });
  });

  test("an answer that does not come ends after the time given", async () => {
    const never = (_: unknown, init?: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
      });
    const api = createClerkApi({ secretKey: "sk_test_x", fetch: never, timeoutMilliseconds: 1 });
    await expect(api.readUser(id)).rejects.toMatchObject({ code: "clerk_unavailable", retryable: true });
  });

  test.each([400, 422])("%i is refused for good, with Clerk's code and without its text", async (status) => {
    const error = await clientOver(clerkError(status, "form_param_invalid"))
      .api.readUser(id)
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "clerk_rejected", retryable: false });
    expect(error.message).toContain("form_param_invalid");
    expect(error.message).not.toContain("ada@example.com");
  });
});
