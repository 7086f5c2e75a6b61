import { createHmac } from "node:crypto";
import { exportSPKI, importJWK } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { createSessionTokens, type SessionTokens } from "../../../../../tests/support/clerk/clerk-session-tokens.ts";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { SyncError } from "../errors.ts";
import { createVerifySessionToken } from "./verify-session-token.ts";

const now = 1_763_900_000_000;
const seconds = now / 1000;

let clerk: SessionTokens;
let stranger: SessionTokens;
beforeAll(async () => {
  clerk = await createSessionTokens();
  stranger = await createSessionTokens();
});

/** The check over a JWKS that `answer` gives, and how often it was fetched. */
function verifierOver(answer: () => Response | Promise<Response>, authorizedParties: string[] = []) {
  const urls: string[] = [];
  const verify = createVerifySessionToken({
    issuer: clerk.issuer,
    authorizedParties,
    now: () => now,
    fetch: async (url) => {
      urls.push(String(url));
      return answer();
    },
  });
  return { urls, verify: (token: string) => verify(requestWith(`Bearer ${token}`)) };
}

const requestWith = (authorization: string, headers: Record<string, string> = {}) =>
  new Request("http://localhost/functions/v1/ensure-user", { method: "POST", headers: { authorization, ...headers } });
const withKeys = (authorizedParties?: string[]) => verifierOver(() => Response.json(clerk.jwks), authorizedParties);
const sign = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
  clerk.sign({ sub: "user_1", ...claims }, { now, header });
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("a session token", () => {
  test("of the issuer names its user", async () => {
    const { verify, urls } = withKeys();
    expect(await verify(await sign())).toBe("user_1");
    expect(urls).toEqual(["https://clerk.example.com/.well-known/jwks.json"]);
  });

  test("of version 1, without sts, is accepted", async () => {
    expect(await withKeys().verify(await sign({ sts: undefined, v: undefined, fva: undefined }))).toBe("user_1");
  });

  test("is found beside an apikey header, as supabase-js sends it", async () => {
    const verify = createVerifySessionToken({
      issuer: clerk.issuer,
      authorizedParties: [],
      now: () => now,
      fetch: async () => Response.json(clerk.jwks),
    });
    expect(await verify(requestWith(`bearer ${await sign()}`, { apikey: "sb_publishable_1" }))).toBe("user_1");
  });

  test.each([
    ["that expired less than five seconds ago", { exp: seconds - 4 }],
    ["that begins in less than five seconds", { nbf: seconds + 4 }],
  ])("%s is accepted: clocks differ", async (_, claims) => {
    expect(await withKeys().verify(await sign(claims))).toBe("user_1");
  });

  test.each([
    ["is on the list", "https://app.example.com"],
    ["is absent, as for a native app", undefined],
  ])("whose azp %s is accepted", async (_, azp) => {
    expect(await withKeys(["https://app.example.com"]).verify(await sign({ azp }))).toBe("user_1");
  });

  test("of any azp is accepted while no authorized parties are set", async () => {
    expect(await withKeys().verify(await sign({ azp: "https://elsewhere.example.com" }))).toBe("user_1");
  });
});

describe("refused is a token", () => {
  test.each([
    ["of another issuer", { iss: "https://clerk.other.example" }, /: iss/],
    ["without an issuer", { iss: undefined }, /: iss/],
    ["that has expired", { exp: seconds - 6 }, /expired/],
    ["without an end", { exp: undefined }, /: exp/],
    ["that is not valid yet", { nbf: seconds + 6 }, /: nbf/],
    ["made for another app", { azp: "https://evil.example.com" }, /azp/],
    ["made for an app whose origin begins alike", { azp: "https://app.example.com.evil.example" }, /azp/],
    ["without a user", { sub: undefined }, /: sub/],
    ["with an empty user", { sub: "" }, /: sub/],
    ["with a user that is no text", { sub: 1 }, /: sub/],
    ["made from a JWT template for others", { sid: undefined }, /: sid/],
    ["of a session that is pending", { sts: "pending" }, /not active/],
    ["of a session in a state nobody knows yet", { sts: "frozen" }, /not active/],
  ])("%s", async (_, claims, reason) => {
    const refused = withKeys(["https://app.example.com"]).verify(await sign(claims));
    await expect(refused).rejects.toMatchObject({
      code: "session_token_invalid",
      message: expect.stringMatching(reason),
    });
    await expect(refused).rejects.toBeInstanceOf(SyncError);
  });

  const invalid = { code: "session_token_invalid", retryable: false };

  test("signed by another key under the same kid", async () => {
    await expect(withKeys().verify(await stranger.sign({ sub: "user_1" }, { now }))).rejects.toMatchObject(invalid);
  });

  test("that says alg none", async () => {
    const [, payload] = (await sign()).split(".");
    const { verify, urls } = withKeys();
    await expect(verify(`${encode({ alg: "none" })}.${payload}.`)).rejects.toMatchObject(invalid);
    expect(urls).toEqual([]);
  });

  test("signed by HMAC with the public key", async () => {
    const [jwk] = clerk.jwks.keys;
    const secret = await exportSPKI((await importJWK(jwk ?? {}, "RS256")) as CryptoKey);
    const [, payload] = (await sign()).split(".");
    const content = `${encode({ alg: "HS256", kid: "ins_1" })}.${payload}`;
    const mac = createHmac("sha256", secret).update(content).digest("base64url");
    await expect(withKeys().verify(`${content}.${mac}`)).rejects.toMatchObject(invalid);
  });

  test("whose payload was changed", async () => {
    const [header, payload, signature] = (await sign()).split(".");
    const changed = { ...JSON.parse(Buffer.from(payload ?? "", "base64url").toString()), sub: "user_2" };
    await expect(withKeys().verify(`${header}.${encode(changed)}.${signature}`)).rejects.toMatchObject(invalid);
  });

  test.each(["", "x", "a.b.c", "sb_publishable_0123456789", "..", `${encode({ alg: "RS256" })}..`])(
    "that is %j",
    async (token) => {
      await expect(withKeys().verify(token)).rejects.toMatchObject(invalid);
    },
  );

  test.each(["Basic dXNlcjpwYXNz", "Bearer", ""])("sent as %j", async (authorization) => {
    const verify = createVerifySessionToken({ issuer: clerk.issuer, authorizedParties: [], now: () => now });
    await expect(verify(requestWith(authorization))).rejects.toMatchObject(invalid);
  });

  test("and its text is in no message", async () => {
    const token = await sign({ sub: "user_secret", exp: seconds - 60 });
    const error = await withKeys()
      .verify(token)
      .catch((thrown: unknown) => thrown);
    expect((error as Error).message).not.toMatch(/user_secret|eyJ/);
  });
});

describe("refusals", () => {
  test("of a flood of bad tokens are a line a second, whatever their number, and none holds the token", async () => {
    const lines = await captureLog();
    const clock = { now };
    const verify = createVerifySessionToken({
      issuer: clerk.issuer,
      authorizedParties: [],
      now: () => clock.now,
      fetch: async () => Response.json(clerk.jwks),
    });
    const token = await sign({ sub: "user_secret", exp: seconds - 60 });
    for (let place = 0; place < 300; place++) {
      clock.now = now + 10 * place;
      await verify(requestWith(`Bearer ${token}`)).catch(() => undefined);
    }
    expect(lines.map(({ method }) => method)).toEqual(["info", "info", "info"]);
    expect(JSON.parse(lines[1]?.text ?? "")).toMatchObject({
      event: "session_token.refused",
      code: "session_token_invalid",
      count: 100,
    });
    expect(lines.map(({ text }) => text).join()).not.toMatch(/user_secret|eyJ/);
  });
});
