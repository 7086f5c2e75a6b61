import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "#core/config/config.ts";
import { createDatabase } from "#core/database/database.ts";
import { createSlices } from "#core/reconcile/create-slices.ts";
import type { Difference, Run, RunKind } from "#core/reconcile/runs-database.ts";
import { walkSlice } from "#core/reconcile/walk-run.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import {
  makeOrganizations,
  membershipData,
  organizationData,
  organizationIdOf,
  roleData,
} from "../../support/clerk/build-record-event.ts";
import { allRecords } from "../../support/clerk/record-fields.ts";
import { storedFields } from "../../support/clerk/root-fields.ts";
import { createKindQueue, type KindQueue } from "../../support/database/kind-queue.ts";
import { openPool } from "../../support/database/test-database.ts";

let queue: KindQueue;
let clerk: ClerkStandIn;
const differences: Difference[] = [];
beforeEach(async () => {
  clerk = await startClerkStandIn({ secretKey: "sk_live_stand_in" });
  queue = await createKindQueue();
  differences.length = 0;
});
afterEach(async () => {
  await queue?.drop();
  await clerk?.stop();
});

const kept = new Map([...allRecords].filter(([kind]) => kind !== "invitation"));

let pool: ReturnType<typeof openPool> | null = null;

/** A process that walks runs; each has only what the database knows. */
function startProcess() {
  const call = createCallFunction(pool ?? queue.pool);
  const config = readConfig({ CLERK_SECRET_KEY: clerk.secretKey, CLERK_API_URL: clerk.url });
  const watcher = { onDifferences: (found: readonly Difference[]) => void differences.push(...found) };
  const slices = createSlices({ ...config, authMirror: false }, call, storedFields, { records: kept, watcher });
  if (slices === null) throw new Error("there is a key");
  return { slices, database: createDatabase(call) };
}

type WalkOptions = {
  applies?: boolean;
  mostSteps?: number;
  brake?: { count: number; percent: number; minutes: number } | null;
};

/** Walks a run to its end, and works on its jobs meanwhile; a new process after so many steps. */
async function walk(kind: RunKind, { applies = true, mostSteps = 1000, brake = null }: WalkOptions = {}): Promise<Run> {
  for (;;) {
    const { slices, database } = startProcess();
    const { state, run } = await walkSlice(slices, { kind, applies, mostSteps, budgetMilliseconds: 600_000 });
    const rules = { mirrorUser: null, readUser: null, fields: storedFields, deleteBrake: brake, now: Date.now };
    await processQueue({ database, ...rules }, { budgetMilliseconds: 600_000 });
    if (state === "done" && run !== null) return run;
  }
}

const age = () => queue.rows("update clerk_sync.records set first_seen_at = now() - interval '1 hour'");
const ids = async (table: string) =>
  (await queue.rows(`select id from public.${table} order by id`)).map(({ id }) => id);
const joined = (id: string, organization: number, user: string, facts: object = {}) =>
  clerk.memberships.set(
    id,
    membershipData({ id, organization: organizationIdOf(organization), user, version: 1, createdAt: 1, ...facts }),
  );

/** Ten organizations of three members each, and a role. */
function fillClerk(): void {
  clerk.organizations.fill(makeOrganizations(10));
  for (let place = 0; place < 10; place++) {
    for (const member of ["a", "b", "c"]) joined(`orgmem_${place}${member}`, place, `user_${place}${member}`);
  }
  clerk.roles.set("role_1", roleData({ id: "role_1", key: "org:admin", version: 1, permissions: ["org:posts:edit"] }));
}

describe("a backfill", () => {
  it("brings organizations, memberships and roles in, and makes no job of what is here", async () => {
    fillClerk();
    const run = await walk("backfill");
    expect(await ids("organizations")).toEqual(Array.from({ length: 10 }, (_, place) => organizationIdOf(place)));
    expect(await ids("organization_memberships")).toHaveLength(30);
    expect(await queue.rows("select key, permissions from public.organization_roles")).toEqual([
      { key: "org:admin", permissions: ["org:posts:edit"] },
    ]);
    expect(run.counts).toMatchObject({ organization_read: 10, membership_read: 30, role_read: 1, queued: 41 });
    expect((await walk("backfill")).counts["queued"]).toBeUndefined();
  });

  it("is carried on by another process after each step", async () => {
    clerk.organizations.fill(makeOrganizations(1300));
    for (let place = 0; place < 1300; place++) joined(`orgmem_${place}`, place, "user_a", { createdAt: place });
    const run = await walk("backfill", { mostSteps: 1 });
    expect(run.counts).toMatchObject({ organization_read: 1300, membership_read: 1300, queued: 2600 });
    expect(await ids("organization_memberships")).toHaveLength(1300);
  });
});

describe("a compare", () => {
  beforeEach(async () => {
    fillClerk();
    await walk("backfill");
    await age();
  });

  const found = () =>
    differences.map(({ of, clerk_id, kind, fields }) => [
      of,
      clerk_id,
      kind,
      Array.isArray(fields) ? fields : Object.keys(fields),
    ]);

  it("finds nothing where all is in sync, asks for nothing but the lists, and depends on no time zone", async () => {
    clerk.requests.length = 0;
    pool = openPool(queue.url, { max: 2, options: "-c timezone=Asia/Tokyo" });
    const run = await walk("compare").finally(() => pool?.end());
    pool = null;
    expect(found()).toEqual([]);
    expect(run.counts["queued"]).toBeUndefined();
    expect(clerk.requests.filter((request) => /\/(organizations|organization_roles)\//.test(request))).toEqual([]);
    expect(clerk.requests.filter((request) => request.endsWith("/v1/organizations"))).toHaveLength(1);
  });

  it("finds what is missing, stale and different, says in which fields, and repairs it", async () => {
    clerk.organizations.set("org_new", organizationData({ id: "org_new", version: 9, createdAt: 9 }));
    clerk.organizations.set(
      organizationIdOf(1),
      organizationData({ id: organizationIdOf(1), version: 99, createdAt: 1, name: "New" }),
    );
    joined("orgmem_2a", 2, "user_2a", { version: 99, role: "org:admin" });
    await queue.rows("update public.organizations set name = 'Wrong' where id = $1", [organizationIdOf(3)]);
    await queue.rows("update public.organization_memberships set role = 'org:wrong' where id = 'orgmem_4b'");
    await queue.rows("update public.organization_roles set permissions = '{org:posts:delete}'");
    await queue.rows("delete from public.organization_memberships where id = 'orgmem_5c'");
    await walk("compare");
    expect(found().sort()).toEqual(
      [
        ["organization", "org_new", "missing", []],
        ["organization", organizationIdOf(1), "stale", ["name", "updated_at"]],
        ["organization", organizationIdOf(3), "differs", ["name"]],
        ["membership", "orgmem_2a", "stale", ["role", "updated_at"]],
        ["membership", "orgmem_4b", "differs", ["role"]],
        ["membership", "orgmem_5c", "missing", []],
        ["role", "role_1", "differs", ["permissions"]],
      ].sort(),
    );
    differences.length = 0;
    await walk("compare");
    expect(found()).toEqual([]);
    expect(
      await queue.rows(
        "select role from public.organization_memberships where id in ('orgmem_2a', 'orgmem_4b') order by id",
      ),
    ).toEqual([{ role: "org:admin" }, { role: "org:member" }]);
  });

  it("ends what is gone at Clerk: organizations, with their members, and members who left or came back", async () => {
    clerk.organizations.delete(organizationIdOf(1));
    clerk.memberships.delete("orgmem_2a");
    clerk.memberships.delete("orgmem_3b");
    joined("orgmem_3again", 3, "user_3b", { version: 50, createdAt: 50 });
    await walk("compare");
    expect(found().filter(([of]) => of === "organization")).toEqual([
      ["organization", organizationIdOf(1), "extra", []],
    ]);
    expect(await ids("organizations")).toHaveLength(9);
    const members = await ids("organization_memberships");
    expect(members).toHaveLength(26);
    expect(members).toContain("orgmem_3again");
    expect(members).not.toContain("orgmem_2a");
  });

  it("of a dry run changes nothing", async () => {
    clerk.organizations.delete(organizationIdOf(1));
    const run = await walk("compare", { applies: false });
    expect(run.counts).toMatchObject({ organization_extra: 1, membership_extra: 3 });
    expect(await ids("organizations")).toHaveLength(10);
  });

  it("leaves what never came through the sync", async () => {
    await queue.rows("insert into public.organizations (id, name) values ('org_seeded', 'Seeded')");
    const run = await walk("compare");
    expect(run.counts).toMatchObject({ organization_foreign: 1 });
    expect(await ids("organizations")).toContain("org_seeded");
  });

  it("leaves what came within the last quarter of an hour: the walk may have passed", async () => {
    await queue.rows("update clerk_sync.records set first_seen_at = now() where id = 'orgmem_2a'");
    clerk.memberships.delete("orgmem_2a");
    await walk("compare");
    expect(await ids("organization_memberships")).toContain("orgmem_2a");
  });

  it("holds many deletions of memberships by the delete brake", async () => {
    for (let place = 0; place < 10; place++) clerk.memberships.delete(`orgmem_${place}a`);
    for (let place = 0; place < 5; place++) clerk.memberships.delete(`orgmem_${place}b`);
    const run = await walk("compare", { brake: { count: 10, percent: 20, minutes: 60 } });
    expect(run.counts).toMatchObject({ membership_extra: 15, held: 15 });
    expect(await ids("organization_memberships")).toHaveLength(30);
  });
});

it("with a fifth of all events lost, removals too, one compare brings everything in sync, without a false removal", async () => {
  clerk.organizations.fill(makeOrganizations(700));
  for (let place = 0; place < 700; place++) joined(`orgmem_${place}`, place, "user_a", { createdAt: place });
  await walk("backfill");
  await age();
  for (let place = 0; place < 700; place += 5) {
    if (place % 10 === 0) clerk.organizations.delete(organizationIdOf(place));
    else clerk.memberships.delete(`orgmem_${place}`);
  }
  const removed: unknown[] = [];
  clerk.beforeAnswer((request) => {
    if (!request.endsWith("/v1/organization_memberships")) return;
    const next = 11 + removed.length * 10; // more go while the list is read
    removed.push(clerk.memberships.delete(`orgmem_${next}`));
  });
  await walk("compare");
  const atClerk = [...clerk.memberships.values()].map(({ id }) => id).sort();
  expect(await ids("organizations")).toHaveLength(clerk.organizations.size);
  const here = await ids("organization_memberships");
  expect(atClerk.filter((id) => !here.includes(id))).toEqual([]);
  clerk.beforeAnswer(() => undefined);
  await walk("compare");
  expect(await ids("organization_memberships")).toEqual(atClerk);
});
