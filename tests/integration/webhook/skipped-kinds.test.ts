import { afterEach, beforeEach, expect, it } from "vitest";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

const count = (counts: { [kind: string]: number }, now: string, name = "skipped") =>
  queue.one("select clerk_sync_record_deliveries(null, '[]', $1, $2)", [
    JSON.stringify(Object.entries(counts).map(([value, count]) => ({ name, value, count }))),
    now,
  ]);
const kinds = async (now: string): Promise<unknown> =>
  (await queue.one("select clerk_sync_skipped_kinds($1) as kinds", [now]))?.["kinds"];

it("events of kinds that are not stored are counted over seven days, with the setting that would store them", async () => {
  await count({ organizationMembership: 300, session: 7 }, "2026-11-20T23:59:00Z");
  await count({ organizationMembership: 12, permission: 2 }, "2026-11-21T00:01:00Z");
  await count({ organizationMembership: 1 }, "2026-11-21T09:00:00Z");
  const session = { kind: "session", events: 7, last_at: "2026-11-20T23:59:00+00:00", setting: null };
  const permission = { kind: "permission", events: 2, last_at: "2026-11-21T00:01:00+00:00", setting: "roles" };
  const membership = { kind: "organizationMembership", setting: "memberships", last_at: "2026-11-21T09:00:00+00:00" };
  expect(await kinds("2026-11-26T12:00:00Z")).toEqual([{ ...membership, events: 313 }, session, permission]);
  expect(await kinds("2026-11-27T12:00:00Z")).toEqual([{ ...membership, events: 13 }, permission]);
  expect(await kinds("2026-11-28T12:00:00Z")).toEqual([]);
});

it("a kind that is stored by now is not named", async () => {
  await count({ organization: 5, role: 1, permission: 1 }, "2026-11-20T10:00:00Z");
  await queue.pool.query(
    `insert into clerk_sync.mappings (kind, table_name, key, columns, written, rules, fields, access, hash)
    values ('role', 'public.organization_roles', 'id', '{}', '{}', '{}', '{}', 'none', 'abc')`,
  );
  expect(await kinds("2026-11-20T12:00:00Z")).toMatchObject([{ kind: "organization", events: 5 }]);
});

it("other counts are not events, and a day has fifty kinds at most", async () => {
  await count({ 202: 9 }, "2026-11-20T10:00:00Z", "answers");
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, place) => [`kind${place}`, 1]));
  await count(many, "2026-11-20T10:00:00Z");
  await count(many, "2026-11-20T10:10:00Z");
  expect(
    await queue.one("select count(*)::int as kinds, sum(count)::int as events from clerk_sync.skipped_events"),
  ).toEqual({ kinds: 51, events: 120 });
  expect(await queue.one("select count::int from clerk_sync.skipped_events where kind = '(other)'")).toEqual({
    count: 20,
  });
});

it("days are kept as long as the hours of the metrics, eight at least", async () => {
  for (const day of ["10", "12", "20"]) await count({ role: 1 }, `2026-11-${day}T10:00:00Z`);
  const purge = (days: number) => queue.one("select clerk_sync_purge_jobs($1, 10, '2026-11-20T12:00:00Z')", [days]);
  const days = async () =>
    (await queue.one("select array_agg(day::text order by day) as days from clerk_sync.skipped_events"))?.["days"];
  await purge(30);
  expect(await days()).toEqual(["2026-11-10", "2026-11-12", "2026-11-20"]);
  await purge(1);
  expect(await days()).toEqual(["2026-11-12", "2026-11-20"]);
});
