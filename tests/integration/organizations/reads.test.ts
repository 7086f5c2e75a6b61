import { afterEach, beforeEach, expect, it } from "vitest";
import { createClerkRecordsApi } from "#core/clerk/clerk-records-api.ts";
import { createDatabase } from "#core/database/database.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { createReadRecord } from "#core/worker/read-record.ts";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { at } from "../../support/clerk/build-event.ts";
import { membershipData, organizationData, roleData } from "../../support/clerk/build-record-event.ts";
import { membership, minute, organization, organizationDeleted, user } from "../../support/clerk/kind-events.ts";
import { makeUser } from "../../support/clerk/make-users.ts";
import { allRecords } from "../../support/clerk/record-fields.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createKindQueue, type KindQueue } from "../../support/database/kind-queue.ts";

let queue: KindQueue;
let clerk: ClerkStandIn;
beforeEach(async () => {
  queue = await createKindQueue();
  clerk = await startClerkStandIn();
});
afterEach(async () => {
  await clerk?.stop();
  await queue?.drop();
});

const pair = ["org_a", "user_a"] as const;
/** A time after all events, as a version of build-record-event.ts. */
const later = minute(20) - at(0);

/** Works as a worker with CLERK_SECRET_KEY does, until nothing is due. */
async function work(): Promise<void> {
  const database = createDatabase(createCallFunction(queue.pool));
  const api = createClerkRecordsApi({ secretKey: clerk.secretKey, apiUrl: clerk.url });
  const dependencies = {
    database,
    mirrorUser: null,
    readUser: async () => ({ deleted: true }) as const,
    readRecord: createReadRecord(api, allRecords, database.enqueue, 15),
    fields: rootFields,
    deleteBrake: null,
    now: Date.now,
  };
  await processQueue(dependencies, { budgetMilliseconds: 60_000 });
}

const refresh = (id: string, kind: string) =>
  queue.pool.query(
    `insert into clerk_sync.records (id, kind, refresh_reason, refresh_due_at) values ($1, $2, 'requested', now())
     on conflict (id) do update set refresh_reason = 'requested', refresh_due_at = now()`,
    [id, kind],
  );

it("a restored organization gets its memberships back, as Clerk has them", async () => {
  await queue.accept(user("user_a", 0), organization("org_a", 0));
  await queue.accept(membership("orgmem_1", pair, 2));
  await queue.accept(organizationDeleted("org_a", 5));
  await queue.run();
  expect(await queue.members()).toEqual([]);

  clerk.organizations.set("org_a", organizationData({ id: "org_a", version: later }));
  clerk.users.set("user_a", { ...makeUser(1), id: "user_a" });
  clerk.memberships.set(
    "orgmem_1",
    membershipData({ id: "orgmem_1", organization: "org_a", user: "user_a", version: later, role: "org:admin" }),
  );
  await refresh("org_a", "organization");
  await work();
  expect(await queue.rows("select id, role from public.organization_memberships")).toEqual([
    { id: "orgmem_1", role: "org:admin" },
  ]);
  expect(await queue.rows("select status from public.job_queue where source = 'members'")).toEqual([
    { status: "COMPLETED" },
  ]);
});

it("a permission that was deleted is gone from the roles that are read then", async () => {
  await queue.accept({ ...roleOf(["org:posts:edit", "org:posts:read"]), version: 1 });
  clerk.roles.set("role_1", roleData({ id: "role_1", key: "org:admin", permissions: ["org:posts:read"], version: 1 }));
  await queue.enqueue(permissionDeleted);
  await work();
  expect(await queue.rows("select permissions from public.organization_roles")).toEqual([
    { permissions: ["org:posts:read"] },
  ]);
});

it("without Clerk's API a deleted permission is taken from all roles", async () => {
  await queue.accept(roleOf(["org:posts:edit", "org:posts:read"]));
  await queue.enqueue(permissionDeleted);
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.rows("select permissions from public.organization_roles")).toEqual([
    { permissions: ["org:posts:read"] },
  ]);
});

it("a membership is read in its organization's list, and one that is not there is deleted", async () => {
  await queue.accept(user("user_a", 0), organization("org_a", 0));
  await queue.accept(membership("orgmem_1", pair, 2));
  clerk.organizations.set("org_a", organizationData({ id: "org_a", version: later }));
  clerk.users.set("user_a", { ...makeUser(1), id: "user_a" });
  const facts = { id: "orgmem_1", organization: "org_a", user: "user_a", version: later, role: "org:admin" };
  clerk.memberships.set("orgmem_1", membershipData(facts));
  await refresh("orgmem_1", "membership");
  await work();
  expect(await queue.rows("select role from public.organization_memberships")).toEqual([{ role: "org:admin" }]);

  clerk.memberships.delete("orgmem_1");
  await refresh("orgmem_1", "membership");
  await work();
  expect(await queue.members()).toEqual([]);
});

it("a membership that Clerk lists in a form that cannot be read is not deleted", async () => {
  await queue.accept(user("user_a", 0), organization("org_a", 0));
  await queue.accept(membership("orgmem_1", pair, 2));
  clerk.organizations.set("org_a", organizationData({ id: "org_a", version: later }));
  clerk.users.set("user_a", { ...makeUser(1), id: "user_a" });
  const facts = { id: "orgmem_1", organization: "org_a", user: "user_a", version: later };
  clerk.memberships.set("orgmem_1", { ...membershipData(facts), id: 7 as never });
  await refresh("orgmem_1", "membership");
  await work();
  expect(await queue.members()).toEqual(["orgmem_1"]);
});

const roleOf = (permissions: readonly string[]) => ({
  job_type: "ROLE_UPDATED",
  clerk_id: "role_1",
  version: 1,
  payload: { key: "org:admin", name: "Admin", description: null, permissions },
});
const permissionDeleted = {
  job_type: "PERMISSION_DELETED",
  clerk_id: "perm_1",
  version: Date.now(),
  payload: { key: "org:posts:edit" },
};
