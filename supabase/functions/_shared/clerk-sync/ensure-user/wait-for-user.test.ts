import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type WaitForUserOptions, waitForUser } from "./wait-for-user.ts";

const url = "https://ref.supabase.co/functions/v1/ensure-user";
const row = { id: "1", clerk_id: "user_1", email: null, name: "Ada Lovelace", role: "user" };
const present = () => Response.json({ user: row });
const pending = (wait?: string) =>
  Response.json(
    { message: "not there yet", code: "user_pending" },
    { status: 202, ...(wait === undefined ? {} : { headers: { "retry-after": wait } }) },
  );
const down = () => Promise.reject(new TypeError("fetch failed"));

type Answer = () => Response | Promise<Response>;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** waitForUser over these answers, the last one for ever; what was sent, and when, in ms from the start. */
function waitOver(answers: readonly Answer[], options: Partial<WaitForUserOptions> = {}) {
  const start = Date.now();
  const sent: { at: number; url: string; authorization: string | null }[] = [];
  const ended = waitForUser({
    url,
    getToken: async () => `token_${sent.length + 1}`,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      sent.push({ at: Date.now() - start, url: request.url, authorization: request.headers.get("authorization") });
      return (answers[sent.length - 1] ?? answers.at(-1) ?? present)();
    },
    ...options,
  });
  ended.catch(() => undefined); // each test looks at it after the time has passed
  return { ended, sent };
}

describe("the row", () => {
  test("is given as soon as it is there, after one request with the session token", async () => {
    const { ended, sent } = waitOver([present]);
    expect(await ended).toEqual(row);
    expect(sent).toEqual([{ at: 0, url, authorization: "Bearer token_1" }]);
  });

  test.each([
    ["while it is not there yet", pending],
    [
      "while the function cannot work",
      () => Response.json({ error: "busy", code: "clerk_unavailable" }, { status: 503 }),
    ],
    ["while a gateway answers for it", () => new Response("<html>", { status: 502 })],
    ["while there are too many requests", () => new Response("", { status: 429 })],
    ["while there is no connection", down],
  ])("is asked for again %s, with a token of its own each time", async (_, answer) => {
    const { ended, sent } = waitOver([answer, answer, present]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(await ended).toEqual(row);
    expect(sent.map((request) => request.authorization)).toEqual([
      "Bearer token_1",
      "Bearer token_2",
      "Bearer token_3",
    ]);
  });

  test("is asked for less and less often, up to every four seconds", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { ended, sent } = waitOver([pending]);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(sent.map((request) => request.at)).toEqual([0, 250, 750, 1750, 3750, 7750, 11_750]);
    await expect(ended).rejects.toMatchObject({ code: "user_pending" });
    vi.restoreAllMocks();
  });

  test("is not asked for before the time the answer names", async () => {
    const { ended, sent } = waitOver([() => pending("3"), present]);
    await vi.advanceTimersByTimeAsync(4000);
    await ended;
    expect(sent.map((request) => request.at)).toEqual([0, 3000]);
  });
});

describe("the waiting ends", () => {
  test.each([
    ["with a refused token", 401, { error: "expired", code: "session_token_invalid" }, "session_token_invalid"],
    ["with a deleted user", 404, { error: "deleted", code: "user_deleted" }, "user_deleted"],
    ["with a URL where nothing is served", 404, { error: "not found", code: "not_found" }, "endpoint_unreachable"],
    ["with a URL where something else is served", 200, { hello: "world" }, "endpoint_unreachable"],
    ["with a method nobody expects", 405, { code: "method_not_allowed" }, "endpoint_unreachable"],
  ])("at once %s", async (_, status, body, code) => {
    const { ended, sent } = waitOver([() => Response.json(body, { status })]);
    await expect(ended).rejects.toMatchObject({ name: "SyncError", code, retryable: false });
    expect(sent).toHaveLength(1);
  });

  test("at once when nobody is signed in, without a request", async () => {
    const { ended, sent } = waitOver([present], { getToken: async () => null });
    await expect(ended).rejects.toMatchObject({ code: "session_token_invalid" });
    expect(sent).toEqual([]);
  });

  test("with what getToken throws", async () => {
    const offline = new Error("offline");
    await expect(waitOver([present], { getToken: () => Promise.reject(offline) }).ended).rejects.toBe(offline);
  });

  test("when the time is over, saying what the last answer was", async () => {
    const { ended } = waitOver([pending, down], { timeoutMilliseconds: 1000 });
    await vi.advanceTimersByTimeAsync(1000);
    await expect(ended).rejects.toMatchObject({
      code: "user_pending",
      retryable: true,
      message: expect.stringContaining("fetch failed"),
      cause: { code: "endpoint_unreachable" },
    });
  });

  test("at once when the answer asks for more time than is left", async () => {
    const { ended, sent } = waitOver([() => pending("60")]);
    await expect(ended).rejects.toMatchObject({ code: "user_pending" });
    expect(sent).toHaveLength(1);
  });

  test("during a pause, with the reason of the signal", async () => {
    const stop = new AbortController();
    const { ended, sent } = waitOver([() => pending("3")], { signal: stop.signal });
    await vi.advanceTimersByTimeAsync(1000);
    const reason = new Error("the page was left");
    stop.abort(reason);
    await expect(ended).rejects.toBe(reason);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sent).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("during a request, with the reason of the signal", async () => {
    const stop = new AbortController();
    const reason = new Error("the page was left");
    const hangs: typeof fetch = (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
        stop.abort(reason);
      });
    await expect(waitOver([], { signal: stop.signal, fetch: hangs }).ended).rejects.toBe(reason);
  });

  test("before the first request when the signal was given before", async () => {
    const { ended, sent } = waitOver([present], { signal: AbortSignal.abort() });
    await expect(ended).rejects.toMatchObject({ name: "AbortError" });
    expect(sent).toEqual([]);
  });
});

test("it needs nothing but the core's errors, so that a browser can load it", async () => {
  const { readFile } = await import("node:fs/promises");
  const sources = ["wait-for-user.ts", "../errors.ts"].map((name) => readFile(new URL(name, import.meta.url), "utf8"));
  const imports = (await Promise.all(sources)).flatMap((source) => [...source.matchAll(/from "([^"]+)"/g)]);
  expect([...new Set(imports.map((match) => match[1]))]).toEqual(["../errors.ts"]);
});
