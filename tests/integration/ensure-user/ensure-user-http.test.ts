import { createClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitForUser } from "#core/ensure-user/wait-for-user.ts";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import {
  authorizedParty,
  type ClerkInstance,
  type ClerkInstancePlace,
  clerkEnvironment,
  planClerkInstance,
  startClerkInstance,
} from "../../support/clerk/clerk-instance.ts";
import { startDenoFunction } from "../../support/processes/deno-function.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { startSupabaseStandIn } from "../../support/supabase/supabase-stand-in.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

type Home = {
  url: string;
  one: (sql: string, values?: unknown[]) => Promise<Record<string, unknown> | undefined>;
  stop: () => Promise<void>;
};

async function startNodeHome(env: Record<string, string>): Promise<Home> {
  const server = await startTestServer(env);
  return { ...server, url: `${server.settings.url}/functions/v1/ensure-user` };
}

async function startDenoHome(env: Record<string, string>): Promise<Home> {
  const supabase = await startSupabaseStandIn();
  const keys = { SUPABASE_URL: supabase.url, SUPABASE_SECRET_KEYS: JSON.stringify({ default: supabase.keys.secret }) };
  const running = await startDenoFunction("ensure-user", { ...keys, ...env });
  return {
    url: running.url,
    one: supabase.one,
    stop: async () => {
      await running.stop();
      await supabase.stop();
    },
  };
}

let clerk: ClerkInstance;
let place: ClerkInstancePlace;
beforeAll(async () => {
  place = await planClerkInstance();
  clerk = await startClerkInstance(place);
});
afterAll(() => clerk?.stop());

const setAtClerk = (id: string, version = 1) =>
  clerk.users.set(id, userEvent("user.created", { id, version }).data as { id: string; updated_at: number });
const tokenOf = (id: string, claims: Record<string, unknown> = {}) =>
  clerk.tokens.sign({ sub: id, azp: authorizedParty, ...claims });
const readsOf = (id: string) => clerk.requests.filter((request) => request === `GET /v1/users/${id}`);

async function ask(url: string, token: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${token}`, ...headers } });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

describe.each([
  ["the Node server", startNodeHome],
  ["the Edge Function under Deno", startDenoHome],
])("%s", (_, start) => {
  let home: Home;
  beforeAll(async () => {
    home = await start(clerkEnvironment(place));
  });
  afterAll(() => home?.stop());

  it("answers fifty calls for a missing user with one row, after few reads of Clerk's API, and mirrors it", async () => {
    const id = "user_crowd";
    setAtClerk(id);
    const token = await tokenOf(id);
    const before = readsOf(id).length;
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(home.url, token)));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
    expect(answers[0]?.body).toMatchObject({ user: { clerk_id: id, name: "Ada Lovelace" } });
    expect(readsOf(id).length - before).toBeLessThanOrEqual(3);
    const mirrored = () => home.one("select email from auth.users where id = $1", [authUserIdOf(id)]);
    await expect.poll(mirrored).toEqual({ email: `${id}@example.com` });
  });

  it("gives waitForUser the row once Clerk's API works again", async () => {
    setAtClerk("user_waits");
    clerk.failures.push({ status: 503 });
    const row = await waitForUser({
      url: home.url,
      getToken: () => tokenOf("user_waits"),
      timeoutMilliseconds: 30_000,
    });
    expect(row).toMatchObject({ clerk_id: "user_waits", email: "user_waits@example.com" });
  });

  it.each([
    ["of another app", { azp: "https://evil.example.com" }],
    ["of another instance", { iss: "https://clerk.other.example" }],
    ["that has expired", { exp: 1 }],
    ["of a pending session", { sts: "pending" }],
  ])("refuses a token %s, and asks Clerk nothing", async (_case, claims) => {
    const asked = clerk.requests.length;
    expect(await ask(home.url, await tokenOf("user_x", claims))).toMatchObject({
      status: 401,
      body: { code: "session_token_invalid" },
    });
    expect(clerk.requests.length).toBe(asked);
  });

  it("refuses a key in place of a token, and a request without one", async () => {
    expect((await ask(home.url, "sb_secret_test_0123456789")).status).toBe(401);
    expect((await fetch(home.url, { method: "POST" })).status).toBe(401);
  });

  it("says that a user is deleted whom Clerk does not have", async () => {
    expect(await ask(home.url, await tokenOf("user_gone"))).toMatchObject({
      status: 404,
      body: { code: "user_deleted" },
    });
  });

  it("passes on how long Clerk's API asks to wait", async () => {
    setAtClerk("user_limited");
    clerk.failures.push({ status: 429, headers: { "retry-after": "7" } });
    const answer = await ask(home.url, await tokenOf("user_limited"));
    expect(answer).toMatchObject({ status: 503, body: { code: "clerk_rate_limited" } });
    expect(answer.headers.get("retry-after")).toBe("7");
  });

  it("lets pages of the authorized parties call it, and no others", async () => {
    const preflight = (origin: string) =>
      fetch(home.url, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
      });
    const allowed = await preflight(authorizedParty);
    expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([204, authorizedParty]);
    expect((await preflight("https://evil.example.com")).headers.get("access-control-allow-origin")).toBeNull();
    const answer = await ask(home.url, await tokenOf("user_gone"), { origin: authorizedParty });
    expect(answer.headers.get("access-control-allow-origin")).toBe(authorizedParty);
  });

  it("is off without an issuer, and not open", async () => {
    const off = await start({});
    const answer = await ask(off.url, await tokenOf("user_x"));
    await off.stop();
    expect(answer).toMatchObject({ status: 503, body: { code: "config_invalid" } });
  });

  it("cannot say anything of a token while Clerk's keys cannot be fetched: 503, not 401", async () => {
    const lost = await start({ CLERK_ISSUER: "http://127.0.0.1:1" });
    const answer = await ask(lost.url, await tokenOf("user_x", { iss: "http://127.0.0.1:1" }));
    await lost.stop();
    expect(answer).toMatchObject({ status: 503, body: { code: "clerk_unavailable" } });
  });

  it("answers 202 without CLERK_SECRET_KEY, until the webhook has brought the row", async () => {
    const { CLERK_SECRET_KEY: _key, ...environment } = clerkEnvironment(place);
    const keyless = await start(environment);
    const answer = await ask(keyless.url, await tokenOf("user_keyless"));
    await keyless.one("insert into public.users (clerk_id, name) values ('user_keyless', 'Ada')");
    const later = await ask(keyless.url, await tokenOf("user_keyless"));
    await keyless.stop();
    expect(answer).toMatchObject({ status: 202, body: { code: "user_pending" } });
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(later).toMatchObject({ status: 200, body: { user: { name: "Ada" } } });
  });
});

describe("beside the webhook", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer(clerkEnvironment(place));
  });
  afterAll(() => server?.stop());

  const ensureUrl = () => `${server.settings.url}/functions/v1/ensure-user`;

  it("calls and events of many new users at the same moment end in one row and one Auth user each", async () => {
    const ids = Array.from({ length: 25 }, (_, place) => `user_meet_${place}`);
    for (const id of ids) setAtClerk(id);
    const calls = ids.flatMap((id) => [
      postEvent(server.settings, userEvent("user.created", { id, version: 1 })),
      tokenOf(id).then((token) => ask(ensureUrl(), token)),
      postEvent(server.settings, userEvent("user.updated", { id, version: 2, firstName: "Grace" })),
      tokenOf(id).then((token) => ask(ensureUrl(), token)),
    ]);
    const statuses = new Set((await Promise.all(calls)).map((answer) => answer.status));
    for (const status of statuses) expect([200, 202, 503]).toContain(status);
    await server.quiet();
    const wrong = await server.one(
      `select count(*)::int as n from unnest($1::text[]) as i(clerk_id)
       where (select array_agg(u.name) from users as u where u.clerk_id = i.clerk_id) is distinct from array['Grace Lovelace']
          or (select array_agg(a.raw_user_meta_data ->> 'full_name') from auth.users as a
              where a.raw_app_meta_data ->> 'clerk_id' = i.clerk_id) is distinct from array['Grace Lovelace']`,
      [ids],
    );
    expect(wrong).toEqual({ n: 0 });
  });

  it("supabase-js reaches it with the session token as its accessToken and the public key as apikey", async () => {
    setAtClerk("user_client");
    const client = createClient(server.settings.url, "sb_publishable_test", {
      accessToken: () => tokenOf("user_client"),
    });
    const { data, error } = await client.functions.invoke("ensure-user");
    expect(error).toBeNull();
    expect(data).toMatchObject({ user: { clerk_id: "user_client" } });
  });
});
