import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { fixtureBytes } from "../../support/clerk/clerk-fixture.ts";
import { startDenoFunction } from "../../support/processes/deno-function.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { type SupabaseStandIn, startSupabaseStandIn } from "../../support/supabase/supabase-stand-in.ts";
import { postBody, postEvent, postUnsigned } from "../../support/webhook/post-event.ts";

type Asked = { status: number; body: { status?: string; reasons?: { code: string }[]; facts?: object | null } };

async function ask(url: string, init: RequestInit = {}): Promise<Asked> {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : JSON.parse(text) };
}

describe("on the Node server", () => {
  let server: TestServer;
  let url: string;
  beforeAll(async () => {
    server = await startTestServer({
      CLERK_INSTANCE_ID: "ins_2fQk3sYb7nWc0dLh5VtRzE8uJmA,ins_test",
      TRUST_PROXY: "1",
    });
    url = `${server.settings.url}/functions/v1/sync-health`;
  });
  afterAll(() => server?.stop());

  it("anybody sees the status word and nothing else, the secret key sees why", async () => {
    expect(await ask(url)).toEqual({ status: 200, body: { status: "healthy" } });
    expect(await ask(url, { headers: { apikey: server.settings.secretKey } })).toMatchObject({
      status: 200,
      body: { status: "healthy", reasons: [], facts: { open: {} } },
    });
  });

  it("HEAD is answered without a body, ?live without the database, other methods not at all", async () => {
    expect(await ask(url, { method: "HEAD" })).toEqual({ status: 200, body: {} });
    expect(await ask(`${url}?live`)).toEqual({ status: 200, body: { status: "live" } });
    expect(await ask(url, { method: "POST" })).toMatchObject({ status: 405 });
  });

  it("the worker and the webhook are seen in the facts", async () => {
    await postEvent(server.settings, userEvent("user.created", { id: "user_beat", version: 1 }));
    const heartbeats = async () =>
      (await ask(url, { headers: { apikey: server.settings.secretKey } })).body.facts as { heartbeats: object };
    await expect.poll(async () => Object.keys((await heartbeats()).heartbeats).sort()).toEqual(["webhook", "worker"]);
  });

  it("what is refused or put aside is audited, and stored nowhere else", async () => {
    await postUnsigned(server.settings, fixtureBytes("user.created"), { "x-forwarded-for": "203.0.113.7" });
    await postBody(server.settings, fixtureBytes("dashboard-sample.user.created"));
    await postEvent(server.settings, {
      ...userEvent("user.created", { id: "user_dev", version: 1 }),
      instance_id: "ins_dev",
    });
    const kinds = "select array_agg(kind order by kind) as kinds from clerk_sync.audit";
    await expect
      .poll(async () => (await server.one(kinds))?.["kinds"])
      .toEqual(["delivery_refused", "instance_unknown", "sample_event"]);
    expect(await server.one("select source, code from clerk_sync.audit where kind = 'delivery_refused'")).toEqual({
      source: "203.0.113.7",
      code: "signature_missing",
    });
    expect(
      await server.one(
        "select count(*)::int as n from job_queue where clerk_id in ('user_dev', 'user_29w83sxmDNGwOuEthce5gg56FcC')",
      ),
    ).toEqual({ n: 0 });
    expect(await ask(url)).toMatchObject({ status: 200, body: { status: "degraded" } });
  });

  it("a schema of another version is 503", async () => {
    const definition = (await server.one("select pg_get_functiondef('clerk_sync_schema_version'::regproc) as sql"))?.[
      "sql"
    ];
    await server.pool.query(String(definition).replace(/'\d{14}'/, "'20200101000000'"));
    const reasons = async () =>
      (await ask(url, { headers: { apikey: server.settings.secretKey } })).body.reasons?.map(({ code }) => code);
    await expect.poll(reasons).toEqual(["schema_mismatch", "objects_changed", "instance_unknown"]);
    expect(await ask(url)).toEqual({ status: 503, body: { status: "compromised" } });
    await server.pool.query(String(definition));
    await expect.poll(async () => (await ask(url)).status).toBe(200);
  });

  it("a server that was not restarted after the mapping changed is named, and tells it with its heartbeat", async () => {
    await expect
      .poll(() => server.one("select array_agg(distinct name) as names from clerk_sync.programs"))
      .toEqual({ names: ["server"] });
    const hash = (await server.one("select hash from clerk_sync.mappings"))?.["hash"];
    const migrate = "update clerk_sync.mappings set hash = $1, changed_at = now() - interval '1 hour'";
    await server.pool.query(migrate, ["of-a-newer-file"]);
    await server.pool.query("update clerk_sync.programs set since = since - interval '1 hour'");
    const reasons = async () =>
      (await ask(url, { headers: { apikey: server.settings.secretKey } })).body.reasons?.map(({ code }) => code);
    await expect.poll(reasons).toContain("mapping_differs");
    const inSql = () => server.one("select clerk_sync_health() ->> 'reasons' ~ 'database: server[.]' as is_named");
    await expect.poll(inSql).toEqual({ is_named: true });
    await server.pool.query(migrate, [hash]);
    await expect.poll(reasons).not.toContain("mapping_differs");
  });

  it("a database that hangs is 503, for a hundred callers at once and within the time", async () => {
    const client = await server.pool.connect();
    await client.query("begin; lock table clerk_sync.delete_brake in access exclusive mode");
    await expect.poll(async () => (await ask(url)).status).toBe(503);
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(url)));
    const waiting = await server.one(
      "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and query like '%clerk_sync_health%'",
    );
    expect(await ask(`${url}?live`)).toMatchObject({ status: 200 });
    await client.query("rollback");
    client.release();
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.status}`))).toEqual(
      new Set(["503 compromised"]),
    );
    expect(waiting).toEqual({ n: 1 });
  });
});

describe("under Deno", () => {
  let supabase: SupabaseStandIn;
  beforeAll(async () => {
    supabase = await startSupabaseStandIn();
  });
  afterAll(() => supabase?.stop());

  const start = (supabaseUrl: string) =>
    startDenoFunction("sync-health", {
      SUPABASE_URL: supabaseUrl,
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: supabase.keys.secret }),
    });

  it("it answers as on the Node server", async () => {
    const health = await start(supabase.url);
    await supabase.pool.query("insert into job_queue (job_type, status) values ('USER_CREATED', 'DEAD')");
    const [anybody, owner, head, live] = [
      await ask(health.url),
      await ask(health.url, { headers: { apikey: supabase.keys.secret } }),
      await ask(health.url, { method: "HEAD" }),
      await ask(`${health.url}?live`),
    ];
    await health.stop();
    expect(anybody).toEqual({ status: 200, body: { status: "degraded" } });
    expect(owner).toMatchObject({ body: { status: "degraded", reasons: [{ code: "dead_letters" }] } });
    expect([head.status, live.body]).toEqual([200, { status: "live" }]);
  });

  it("the webhook notes what it takes, refuses and puts aside, and its drain beats", async () => {
    const webhookSecret = "whsec_plJ3nmyCDGBKInavdOK15jsl";
    const webhook = await startDenoFunction("clerk-webhook", {
      SUPABASE_URL: supabase.url,
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: supabase.keys.secret }),
      CLERK_WEBHOOK_SECRET: webhookSecret,
      CLERK_INSTANCE_ID: "ins_2fQk3sYb7nWc0dLh5VtRzE8uJmA",
    });
    const target = { url: webhook.url, webhookSecret };
    const event = userEvent("user.created", { id: "user_noted", version: 1 });
    const answers = await Promise.all([
      postEvent(target, event),
      postEvent(target, { ...event, instance_id: "ins_dev" }),
      postUnsigned(target, "{}"),
    ]);
    const noted = () =>
      supabase.one(
        `select (select array_agg(name order by name) from clerk_sync.heartbeats) as beats,
                (select array_agg(kind order by kind) from clerk_sync.audit where kind <> 'job_edited') as kinds`,
      );
    await expect
      .poll(noted)
      .toEqual({ beats: ["processor", "webhook"], kinds: ["delivery_refused", "instance_unknown"] });
    await webhook.stop();
    expect(answers.map(({ status }) => status)).toEqual([202, 200, 401]);
  });

  it("a lost schema is compromised, and named", async () => {
    const health = await start(supabase.url);
    await supabase.pool.query("drop schema clerk_sync cascade");
    const [anybody, owner] = [
      await ask(health.url),
      await ask(health.url, { headers: { apikey: supabase.keys.secret } }),
    ];
    await health.stop();
    expect(anybody).toEqual({ status: 503, body: { status: "compromised" } });
    expect(owner.body.reasons).toEqual([
      expect.objectContaining({ code: "objects_missing", what: expect.stringContaining("schema clerk_sync") }),
    ]);
  });

  it("an API that hangs, and one that is not there, are 503", async () => {
    const sockets = createServer((socket) => socket.on("error", () => undefined));
    const port = await findFreePort();
    await new Promise<void>((resolve) => sockets.listen(port, "127.0.0.1", resolve));
    const [hanging, lost] = [await start(`http://127.0.0.1:${port}`), await start("http://127.0.0.1:1")];
    const answers = [await ask(hanging.url), await ask(lost.url)];
    await hanging.stop();
    await lost.stop();
    sockets.close();
    expect(answers).toEqual([
      { status: 503, body: { status: "compromised" } },
      { status: 503, body: { status: "compromised" } },
    ]);
  });
});
