import { afterEach, beforeEach, expect, it } from "vitest";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { applyMapping, contractMapping, mapMore } from "../../support/mapping/contract-mapping.ts";

type Reason = { code: string; status: string; what: string; since: string; remedy: string };

const [newest, older] = [contractMapping.hash, "of-an-older-file"];
const minute = 60_000;

let queue: Queue;
/** When the database was migrated. */
let migrated: number;
beforeEach(async () => {
  queue = await createQueue();
  migrated = Number((await queue.one("select changed_at from clerk_sync.mappings"))?.["changed_at"]);
});
afterEach(() => queue?.drop());

const after = (minutes: number) => new Date(migrated + minutes * minute);

/** A program says with its heartbeat what it runs with. */
const beat = (name: string, mapping_hash: string, minutes: number) =>
  queue.one("select clerk_sync_beat('processor', $1, p_program => $2)", [after(minutes), { name, mapping_hash }]);

async function reasons(minutes: number, asks: { name: string; mapping_hash: string } | null = null): Promise<Reason[]> {
  const row = await queue.one("select clerk_sync_health($1, $2) -> 'reasons' as reasons", [after(minutes), asks]);
  return row?.["reasons"] as Reason[];
}
const named = async (minutes: number) => (await reasons(minutes)).map(({ what }) => /: (.+?)\. /.exec(what)?.[1]);

it("programs that run with the mapping of the database are well", async () => {
  await beat("clerk-webhook", newest, 1);
  await beat("server", newest, 1);
  expect(await reasons(60)).toEqual([]);
});

it("a program with another mapping is named after ten minutes, with what to do", async () => {
  await beat("user-job-processor", newest, 1);
  await beat("ensure-user", older, 1);
  await beat("clerk-webhook", older, 1);
  expect(await reasons(11)).toEqual([]);
  expect(await reasons(11.1)).toEqual([
    {
      code: "mapping_differs",
      status: "degraded",
      what: "These run with another mapping than the database: clerk-webhook, ensure-user. A column that only one of the two maps is not written.",
      since: expect.any(String),
      remedy: expect.stringMatching(
        /^Deploy the functions, and restart each server\. Run: .*npx supabase functions deploy\.$/,
      ),
    },
  ]);
});

it("a migration to another mapping gives the functions ten minutes as well", async () => {
  await beat("clerk-webhook", newest, 0);
  await queue.pool.query("update clerk_sync.programs set since = since - interval '1 day'");
  await applyMapping(queue.pool, mapMore({ medical_profile: "public_metadata" }));
  const changed = Number((await queue.one("select changed_at from clerk_sync.mappings"))?.["changed_at"]);
  expect(changed).toBeGreaterThan(migrated);
  migrated = changed;
  expect(await named(9)).toEqual([]);
  expect(await named(11)).toEqual(["clerk-webhook"]);
});

it("a migration that leaves the mapping as it is leaves the time as it is", async () => {
  await applyMapping(queue.pool, contractMapping);
  expect(Number((await queue.one("select changed_at from clerk_sync.mappings"))?.["changed_at"])).toBe(migrated);
});

it("a function that was deployed again is well two minutes after its first call", async () => {
  await beat("clerk-webhook", older, 1);
  await beat("clerk-webhook", newest, 20);
  expect(await named(20)).toEqual([]);
  await beat("clerk-webhook", older, 20);
  expect(await named(21)).toEqual(["clerk-webhook"]);
  await beat("clerk-webhook", newest, 22);
  expect(await named(23)).toEqual([]);
});

it("one of several servers that was not restarted is named while it runs", async () => {
  for (let minutes = 1; minutes <= 20; minutes++) {
    await beat("server", older, minutes);
    await beat("server", newest, minutes + 0.5);
  }
  expect(await named(20.6)).toEqual(["server"]);
  expect(await named(23)).toEqual([]);
});

it("the last word of a program counts for a day: one that was removed is not named for ever", async () => {
  await beat("ensure-user", older, 1);
  expect(await named(24 * 60)).toEqual(["ensure-user"]);
  expect(await named(24 * 60 + 2)).toEqual([]);
  await queue.pool.query("select clerk_sync_purge_jobs(30, p_now => $1)", [after(24 * 60 + 2)]);
  expect(await queue.one("select count(*)::integer as n from clerk_sync.programs")).toEqual({ n: 0 });
});

it("the program that asks is named, and not noted", async () => {
  const asks = { name: "sync-health", mapping_hash: older };
  expect(await reasons(9, asks)).toEqual([]);
  expect(await reasons(11, asks)).toMatchObject([
    { code: "mapping_differs", what: expect.stringContaining("sync-health.") },
  ]);
  expect(await reasons(11, { ...asks, mapping_hash: newest })).toEqual([]);
  expect(await named(11)).toEqual([]);
});

it("the webhook tells it with its deliveries, and nothing is written twice within ten seconds", async () => {
  const record = (seconds: number) =>
    queue.one("select clerk_sync_record_deliveries(null, p_now => $1, p_program => $2)", [
      after(seconds / 60),
      { name: "clerk-webhook", mapping_hash: older },
    ]);
  const seen = async () => Number((await queue.one("select seen_at from clerk_sync.programs"))?.["seen_at"]) - migrated;
  await record(0);
  await record(9);
  expect(await seen()).toBe(0);
  await record(11);
  expect(await seen()).toBe(11_000);
  expect(await named(11)).toEqual(["clerk-webhook"]);
});
