import { describe, expect, it } from "vitest";
import { SyncError } from "../errors.ts";
import { createCheckCaller } from "../http/check-caller.ts";
import { type AdminSessions, cleanName, createIdentifyCaller } from "./caller.ts";
import { createAdminTokens } from "./token.ts";

const key = "sb_secret_0123456789";
const now = Date.parse("2026-11-25T12:00:00Z");
const tokens = createAdminTokens({ secretKeys: [key], now: () => now });
const sessionToken = `${btoa('{"alg":"RS256"}').replaceAll("=", "")}.e30.AA`;
const roles = new Map([
  ["user_boss", "admin"],
  ["user_help", "support"],
  ["user_any", "user"],
]);

function createSessions(clerkId: string): AdminSessions {
  return {
    verifySessionToken: async () => clerkId,
    readRole: async (id) => roles.get(id) ?? null,
    operatorRoles: ["admin"],
    viewerRoles: ["support"],
  };
}

function identify(headers: Record<string, string>, sessions: AdminSessions | null = null) {
  const identifyCaller = createIdentifyCaller({ checkCaller: createCheckCaller([key]), tokens, sessions });
  return identifyCaller(new Request("https://project.example/sync-admin/me", { headers }));
}
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe("the secret key", () => {
  it.each([[{ apikey: key }], [bearer(key)]])("in %o is an operator", async (headers) => {
    expect(await identify(headers)).toEqual({
      right: "operator",
      name: "secret_key",
      by: "secret_key",
      expires_at: null,
      clerkId: null,
    });
  });

  it("may say who holds it, in one line of 80 characters", async () => {
    expect(await identify({ apikey: key, "x-clerk-sync-actor": "  ada@laptop " })).toMatchObject({
      name: "ada@laptop",
    });
    expect((await identify({ apikey: key, "x-clerk-sync-actor": "x".repeat(200) })).name).toHaveLength(80);
    expect(cleanName(" A\u0000\u202eda\nL ")).toBe("AdaL");
    expect(cleanName("\u200b")).toBe("");
  });
});

describe("an admin token", () => {
  it("is who it was made for, with the right it was made with", async () => {
    const { token } = await tokens.sign({ name: "Bob", right: "viewer", clerkId: null });
    expect(await identify(bearer(token))).toMatchObject({ right: "viewer", name: "Bob", by: "admin_token" });
    expect(await identify({ ...bearer(token), "x-clerk-sync-actor": "Ada" })).toMatchObject({ name: "Bob" });
  });

  it("of a session is worth what the user's role is worth today", async () => {
    const sign = async (clerkId: string) =>
      bearer((await tokens.sign({ name: "A", right: "operator", clerkId })).token);
    const sessions = createSessions("nobody");
    expect(await identify(await sign("user_boss"), sessions)).toMatchObject({ right: "operator" });
    expect(await identify(await sign("user_help"), sessions)).toMatchObject({ right: "viewer" });
    await expect(identify(await sign("user_any"), sessions)).rejects.toMatchObject({ code: "right_missing" });
    await expect(identify(await sign("user_boss"), null)).rejects.toMatchObject({ code: "caller_unauthorized" });
  });
});

describe("a session token", () => {
  it("is an operator or a viewer by the role of the user's row, and known by the Clerk id", async () => {
    expect(await identify(bearer(sessionToken), createSessions("user_boss"))).toMatchObject({
      right: "operator",
      name: "user_boss",
      by: "session_token",
      clerkId: "user_boss",
    });
    expect(await identify(bearer(sessionToken), createSessions("user_help"))).toMatchObject({ right: "viewer" });
  });

  it.each(["user_any", "user_without_row"])("of %s gives no right", async (id) => {
    await expect(identify(bearer(sessionToken), createSessions(id))).rejects.toMatchObject({ code: "right_missing" });
  });

  it("is refused while no role is named", async () => {
    await expect(identify(bearer(sessionToken))).rejects.toMatchObject({ code: "caller_unauthorized" });
  });

  it("that Clerk's keys do not know is refused as such", async () => {
    const verifySessionToken = () => Promise.reject(new SyncError("session_token_invalid", "no"));
    const sessions = { ...createSessions("user_boss"), verifySessionToken };
    await expect(identify(bearer(sessionToken), sessions)).rejects.toMatchObject({ code: "session_token_invalid" });
  });
});

it.each([
  [{}],
  [{ apikey: "sb_publishable_1" }],
  [bearer("sb_secret_wrong")],
  [bearer("a.b.c")],
  [{ authorization: "Basic x" }],
])("%o is nobody", async (headers: Record<string, string>) => {
  await expect(identify(headers, createSessions("user_boss"))).rejects.toMatchObject({ code: "caller_unauthorized" });
});
