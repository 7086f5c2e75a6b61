import { SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { createAdminTokens } from "./token.ts";

const now = Date.parse("2026-11-25T12:00:00Z");
const hour = 3_600_000;
const key = "sb_secret_0123456789";
const claims = { name: "Ada", right: "operator", clerkId: null } as const;
const tokensOf = (secretKeys: string[], at = now) => createAdminTokens({ secretKeys, now: () => at });

describe("an admin token", () => {
  it("carries name, right and session, for eight hours", async () => {
    const { token, expiresAt } = await tokensOf([key]).sign({ name: "Ada", right: "viewer", clerkId: "user_1" });
    expect(expiresAt).toBe(now + 8 * hour);
    expect(await tokensOf([key], now + 8 * hour - 1000).verify(token)).toEqual({
      name: "Ada",
      right: "viewer",
      clerkId: "user_1",
      expiresAt,
    });
  });

  it("has expired after eight hours", async () => {
    const { token } = await tokensOf([key]).sign(claims);
    await expect(tokensOf([key], now + 8 * hour).verify(token)).rejects.toMatchObject({ code: "admin_token_expired" });
  });

  it("is worth nothing once its secret key is gone", async () => {
    const { token } = await tokensOf([key]).sign(claims);
    await expect(tokensOf(["sb_secret_another"]).verify(token)).rejects.toMatchObject({ code: "admin_token_invalid" });
    await expect(tokensOf([]).verify(token)).rejects.toMatchObject({ code: "admin_token_invalid" });
  });

  it("is signed by the first of several keys, and accepted by whoever has that one at any place", async () => {
    const { token } = await tokensOf([key, "sb_secret_older"]).sign(claims);
    expect(await tokensOf(["sb_secret_newer", key]).verify(token)).toMatchObject(claims);
    await expect(tokensOf(["sb_secret_older"]).verify(token)).rejects.toMatchObject({ code: "admin_token_invalid" });
  });

  it("is not made without a secret key", async () => {
    await expect(tokensOf([]).sign(claims)).rejects.toMatchObject({ code: "config_invalid" });
    await expect(tokensOf([""]).sign(claims)).rejects.toMatchObject({ code: "config_invalid" });
  });
});

describe("what is no admin token", () => {
  const raise = async (header: string, body: string, signature = "") =>
    [btoa(header), btoa(body), signature].join(".").replaceAll("=", "");

  it.each([
    ["nonsense", async () => "nonsense"],
    [
      "one without signature",
      () => raise('{"alg":"none"}', `{"name":"Ada","right":"operator","exp":${now / 1000 + 60}}`),
    ],
    [
      "one signed with the secret key itself",
      () =>
        new SignJWT({ name: "Ada", right: "operator" })
          .setProtectedHeader({ alg: "HS256" })
          .setIssuer("clerk-supabase-sync")
          .setAudience("sync-admin")
          .setIssuedAt(now / 1000)
          .setExpirationTime(now / 1000 + 60)
          .sign(new TextEncoder().encode(key)),
    ],
    [
      "one whose right was changed",
      async () => {
        const { token } = await tokensOf([key]).sign({ ...claims, right: "viewer" });
        const [header = "", body = "", signature = ""] = token.split(".");
        const changed = atob(body.replaceAll("-", "+").replaceAll("_", "/")).replace("viewer", "operator");
        return [header, btoa(changed).replaceAll("=", ""), signature].join(".");
      },
    ],
  ])("%s is refused", async (_, make) => {
    await expect(tokensOf([key]).verify(await make())).rejects.toMatchObject({ code: "admin_token_invalid" });
  });
});
