import { describe, expect, test } from "vitest";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { type ErrorCode, SyncError } from "../errors.ts";
import { createAllowOrigin } from "../http/allow-origin.ts";
import { type EnsureUserDependencies, handleEnsureUser } from "./handle-ensure-user.ts";

const row = { id: "1", clerk_id: "user_1", name: "Ada Lovelace" };
const app = "https://app.example.com";

function dependenciesWith(changes: Partial<EnsureUserDependencies> = {}): EnsureUserDependencies {
  return {
    verifySessionToken: async () => "user_1",
    ensureUser: async () => row,
    allowOrigin: createAllowOrigin([app]),
    ...changes,
  };
}

const failing = (code: ErrorCode, retryAfterSeconds?: number) =>
  dependenciesWith({
    ensureUser: async () => {
      throw new SyncError(code, "why", retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
    },
  });

function ask(dependencies: EnsureUserDependencies, init: RequestInit = {}): Promise<Response> {
  const url = "http://localhost/functions/v1/ensure-user";
  return handleEnsureUser(new Request(url, { method: "POST", ...init }), dependencies);
}

describe("200", () => {
  test("is the row of whom the token names, whatever the body asks for", async () => {
    const asked: string[] = [];
    const ensureUser = async (clerkId: string) => {
      asked.push(clerkId);
      return row;
    };
    const response = await ask(dependenciesWith({ ensureUser }), { body: JSON.stringify({ clerk_id: "user_2" }) });
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({ user: row });
    expect(asked).toEqual(["user_1"]);
  });
});

describe("a refusal", () => {
  test.each(["GET", "PUT", "DELETE"])("of %s is 405", async (method) => {
    const response = await ask(dependenciesWith(), { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST, OPTIONS");
  });

  test("of a token is 401 with the reason, and no user is looked up", async () => {
    const dependencies = dependenciesWith({
      verifySessionToken: async () => {
        throw new SyncError("session_token_invalid", "The session token has expired.");
      },
      ensureUser: async () => {
        throw new Error("looked up");
      },
    });
    const response = await ask(dependencies);
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({ error: "The session token has expired.", code: "session_token_invalid" });
  });

  test("is given to everybody while no issuer is set", async () => {
    const response = await ask(dependenciesWith({ verifySessionToken: null }));
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      error: "ensure-user is off: neither CLERK_ISSUER nor CLERK_PUBLISHABLE_KEY is set.",
      code: "config_invalid",
    });
  });

  test("of a deleted user is 404 with its code", async () => {
    const response = await ask(failing("user_deleted"));
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ error: "why", code: "user_deleted" });
  });
});

describe("not now", () => {
  test("is 202 while the row is not there yet, with the seconds to wait", async () => {
    const response = await ask(failing("user_pending", 1));
    expect(response.status).toBe(202);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toEqual({ message: "why", code: "user_pending" });
  });

  test.each([
    ["clerk_unavailable", undefined, "2"],
    ["clerk_rate_limited", 7, "7"],
    ["clerk_unauthorized", undefined, "2"],
    ["clerk_rejected", undefined, "2"],
    ["database_unavailable", undefined, "2"],
    ["database_rejected", undefined, "2"],
  ] as const)("is 503 for %s, its reason only in the log", async (code, seconds, wait) => {
    const lines = await captureLog();
    const response = await ask(failing(code, seconds));
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe(wait);
    expect(await response.json()).toEqual({ error: "The row cannot be looked up just now. Ask again.", code });
    expect(lines.map((line) => JSON.parse(line.text))).toMatchObject([
      { event: "ensure_user.failed", code, reason: "why" },
    ]);
  });

  test("is a line a second in the log, however many callers fail, and no line for a bad token", async () => {
    const lines = await captureLog();
    const down = failing("clerk_unavailable");
    for (let call = 0; call < 100; call++) await ask(down);
    expect(lines.length).toBeLessThan(20);
    const before = lines.length;
    await ask(failing("session_token_invalid")); // where it was read it is logged
    expect(lines).toHaveLength(before);
  });

  test("is 500 for what nobody foresaw, without its text", async () => {
    const lines = await captureLog();
    const ensureUser = () => Promise.reject(new TypeError("x is undefined"));
    const response = await ask(dependenciesWith({ ensureUser }));
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ error: "Internal server error" });
    expect(lines).toHaveLength(1);
  });
});

describe("a page", () => {
  const corsOf = (response: Response) =>
    [...response.headers].filter(([name]) => name.startsWith("access-control-")).map(([name]) => name);

  test("of an authorized party may call, with what supabase-js sends", async () => {
    const response = await ask(dependenciesWith(), { method: "OPTIONS", headers: { origin: app } });
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      vary: "origin",
      "access-control-allow-origin": app,
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": expect.stringMatching(/^authorization, apikey, content-type, x-client-info/),
    });
  });

  test.each([
    ["a row", dependenciesWith(), 200],
    ["a refusal", failing("user_deleted"), 404],
    ["a failure", failing("clerk_unavailable"), 503],
  ])("of an authorized party may read %s", async (_, dependencies, status) => {
    const response = await ask(dependencies, { headers: { origin: app } });
    expect(response.status).toBe(status);
    expect(response.headers.get("access-control-allow-origin")).toBe(app);
    expect(response.headers.get("access-control-expose-headers")).toBe("retry-after");
  });

  test.each(["https://evil.example", "https://app.example.com.evil.example", "null"])(
    "of %s gets no header",
    async (origin) => {
      for (const method of ["OPTIONS", "POST"]) {
        const response = await ask(dependenciesWith(), { method, headers: { origin } });
        expect(corsOf(response)).toEqual([]);
        expect(response.headers.get("vary")).toBe("origin");
      }
    },
  );

  test("of anywhere gets no header while there are no authorized parties", async () => {
    const dependencies = dependenciesWith({ allowOrigin: createAllowOrigin([]) });
    expect(corsOf(await ask(dependencies, { method: "OPTIONS", headers: { origin: app } }))).toEqual([]);
  });
});
