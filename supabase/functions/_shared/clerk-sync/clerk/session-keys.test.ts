import { beforeAll, describe, expect, test } from "vitest";
import { createSessionTokens, type SessionTokens } from "../../../../../tests/support/clerk/clerk-session-tokens.ts";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { createVerifySessionToken } from "./verify-session-token.ts";

const start = 1_763_900_000_000;
const [minute, hour] = [60_000, 3_600_000];

let clerk: SessionTokens;
let next: SessionTokens;
beforeAll(async () => {
  clerk = await createSessionTokens();
  next = await createSessionTokens({ kid: "ins_2" });
});

/** The check over a JWKS that `answer` gives at the time of `clock`, and how often it was fetched. */
function keysThat(answer: () => Response | Promise<Response>) {
  const clock = { now: start };
  const fake = { answer, fetches: 0 };
  const verify = createVerifySessionToken({
    issuer: clerk.issuer,
    authorizedParties: [],
    now: () => clock.now,
    fetch: async () => {
      fake.fetches += 1;
      return await fake.answer();
    },
  });
  const verifyOf = async (by: SessionTokens) => {
    const authorization = `Bearer ${await by.sign({ sub: "user_1" }, { now: clock.now })}`;
    return await verify(new Request("http://localhost", { headers: { authorization } }));
  };
  return { clock, fake, verifyOf };
}

const published = (...by: SessionTokens[]) => Response.json({ keys: by.flatMap(({ jwks }) => jwks.keys) });
const down = () => Promise.reject(new TypeError("fetch failed"));
const unavailable = { code: "clerk_unavailable", retryable: true, cause: expect.any(Error) };
const invalid = { code: "session_token_invalid" };

describe("Clerk's keys", () => {
  test("are fetched once for many tokens, and again after ten minutes", async () => {
    const { clock, fake, verifyOf } = keysThat(() => published(clerk));
    await Promise.all(Array.from({ length: 20 }, () => verifyOf(clerk)));
    expect(fake.fetches).toBe(1);
    clock.now += 11 * minute;
    await Promise.all(Array.from({ length: 20 }, () => verifyOf(clerk)));
    expect(fake.fetches).toBe(2);
  });

  test("that Clerk takes back are refused from the next fetch on", async () => {
    const { clock, fake, verifyOf } = keysThat(() => published(clerk, next));
    expect(await verifyOf(clerk)).toBe("user_1");
    fake.answer = () => published(next);
    clock.now += 11 * minute;
    await expect(verifyOf(clerk)).rejects.toMatchObject(invalid);
  });

  test("are fetched again, once, for a new kid, but not within half a minute", async () => {
    const { clock, fake, verifyOf } = keysThat(() => published(clerk));
    await verifyOf(clerk);
    await expect(verifyOf(next)).rejects.toMatchObject(invalid);
    expect(fake.fetches).toBe(1);
    clock.now += 31_000;
    fake.answer = () => published(clerk, next);
    expect(await Promise.all([verifyOf(next), verifyOf(next), verifyOf(clerk)])).toEqual(Array(3).fill("user_1"));
    expect(fake.fetches).toBe(2);
  });

  test.each([
    ["cannot be reached", down],
    ["are answered with 500", async () => new Response("", { status: 500 })],
    ["are redirected", async () => new Response("", { status: 302, headers: { location: "https://evil.example" } })],
    ["are a page of a proxy", async () => new Response("<html>")],
    ["are no key set", async () => Response.json({ error: "none" })],
  ])("that %s leave the question open: try again", async (_, answer) => {
    await expect(keysThat(answer).verifyOf(clerk)).rejects.toMatchObject(unavailable);
  });
});

describe("while Clerk's keys cannot be fetched", () => {
  test("known ones work for a day, and nobody waits for the next try", async () => {
    const { clock, fake, verifyOf } = keysThat(() => published(clerk));
    await verifyOf(clerk);
    fake.answer = down;
    clock.now += hour;
    expect(await verifyOf(clerk)).toBe("user_1");
    fake.answer = () => new Promise(() => undefined); // hangs
    clock.now += 22 * hour;
    expect(await verifyOf(clerk)).toBe("user_1");
  });

  test("known ones work no longer than a day", async () => {
    const { clock, fake, verifyOf } = keysThat(() => published(clerk));
    await verifyOf(clerk);
    fake.answer = down;
    clock.now += 25 * hour;
    await expect(verifyOf(clerk)).rejects.toMatchObject(unavailable);
  });

  test("a key that is not among the known ones may be a new one: try again", async () => {
    const { clock, fake, verifyOf } = keysThat(() => published(clerk));
    await verifyOf(clerk);
    fake.answer = down;
    clock.now += hour;
    await expect(verifyOf(next)).rejects.toMatchObject(unavailable);
  });

  test.each([true, false])("a thousand calls make one request in five seconds (keys known: %s)", async (isKnown) => {
    const lines = await captureLog();
    const { clock, fake, verifyOf } = keysThat(() => (isKnown ? published(clerk) : down()));
    await verifyOf(clerk).catch(() => undefined);
    fake.answer = down;
    clock.now += hour;
    const before = { fetches: fake.fetches, lines: lines.length };
    for (let call = 0; call < 1000; call++) {
      await verifyOf(call % 2 === 0 ? clerk : next).catch(() => undefined);
      clock.now += 10;
    }
    expect(fake.fetches - before.fetches).toBe(2);
    expect(lines.length - before.lines).toBe(2);
  });

  test("they are taken as soon as they can be fetched again", async () => {
    const { clock, fake, verifyOf } = keysThat(down);
    await expect(verifyOf(clerk)).rejects.toMatchObject(unavailable);
    fake.answer = () => published(clerk);
    await expect(verifyOf(clerk)).rejects.toMatchObject(unavailable);
    clock.now += 6000;
    expect(await verifyOf(clerk)).toBe("user_1");
  });
});
