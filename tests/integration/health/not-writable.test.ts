import { afterEach, beforeEach, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { waitFor as waitSo } from "../../support/processes/wait-for.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let server: TestServer;
beforeEach(async () => {
  server = await startTestServer();
});
afterEach(() => server?.stop());

/** Half a minute is what may pass until a probe knows. */
const waitFor = (what: string, check: () => Promise<boolean>) => waitSo(what, check, 30);

const read = async (path: string) => {
  const response = await fetch(`${server.settings.url}${path}`, { headers: { apikey: server.settings.secretKey } });
  return { status: response.status, body: await response.json() };
};
const syncHealth = () => read("/functions/v1/sync-health");
const send = (user: number) =>
  postEvent(server.settings, userEvent("user.created", { id: `user_${user}`, version: 1 }));

/** As hosts do when a disk is full; sessions have it from their start, so each gets a new one. */
async function setReadOnly(isReadOnly: boolean): Promise<void> {
  const name = new URL(server.settings.databaseUrl).pathname.slice(1);
  await server.pool.query(
    `begin; set local transaction_read_only = off;
     alter database "${name}" set default_transaction_read_only = ${isReadOnly ? "on" : "off"}; commit`,
  );
  await server.pool.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = 'clerk-sync'",
    [name],
  );
}

it("a database that takes no writes makes /health 503 and sync-health compromised, until it takes them again", async () => {
  expect(await send(0)).toMatchObject({ status: 202 });
  await setReadOnly(true);
  for (let user = 1; user <= 8; user++) expect(await send(user)).toMatchObject({ status: 503 });
  await waitFor("/health to say so", async () => (await read("/health")).status === 503);
  expect((await read("/health")).body).toEqual({ status: "unavailable", code: "database_not_writable" });
  const { status, body } = await syncHealth();
  expect({ status, word: body.status }).toEqual({ status: 503, word: "compromised" });
  expect(body.reasons[0]).toMatchObject({
    code: "not_writable",
    what: expect.stringContaining("25006"),
    remedy: expect.stringContaining("disk"),
  });

  await setReadOnly(false);
  await waitFor("events to be taken", async () => (await send(9)).status === 202);
  await waitFor("/health to say so", async () => (await read("/health")).status === 200);
  await waitFor("sync-health to say so", async () => (await syncHealth()).body.status === "healthy");
});

it("a full disk is noticed by a write that needs a new page", async () => {
  await server.pool.query(
    `create function public.fill() returns trigger language plpgsql as $$
     begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
     create trigger fill before insert on clerk_sync.write_test for each row execute function public.fill()`,
  );
  await server.pool.query("delete from clerk_sync.write_test");
  await waitFor("/health to say so", async () => (await read("/health")).status === 503);
  await waitFor("sync-health to say so", async () => (await syncHealth()).status === 503);
  const { body } = await syncHealth();
  expect(body.reasons).toContainEqual(
    expect.objectContaining({ code: "not_writable", what: expect.stringContaining("53100"), status: "compromised" }),
  );
});

it("a queue that refuses every event makes both say so, whatever the reason", async () => {
  await server.pool.query(
    `create function public.refuse() returns trigger language plpgsql as $$
     begin raise exception 'could not extend file' using errcode = '53100'; end $$;
     create trigger refuse before insert on public.job_queue for each row execute function public.refuse()`,
  );
  for (let user = 1; user <= 8; user++) expect(await send(user)).toMatchObject({ status: 503 });
  await waitFor("/health to say so", async () => (await read("/health")).status === 503);
  await waitFor("sync-health to say so", async () => (await syncHealth()).status === 503);
  expect((await syncHealth()).body.reasons).toContainEqual(expect.objectContaining({ code: "events_refused" }));

  await server.pool.query("drop trigger refuse on public.job_queue");
  expect(await send(9)).toMatchObject({ status: 202 });
  await waitFor("/health to say so", async () => (await read("/health")).status === 200);
});

it("who asks in a transaction that only reads is not told that nothing can be written", async () => {
  const client = await server.pool.connect();
  await client.query("begin read only");
  const { rows } = await client.query("select clerk_sync_health() ->> 'status' as status");
  await client.query("rollback");
  client.release();
  expect(rows).toEqual([{ status: "healthy" }]);
});
