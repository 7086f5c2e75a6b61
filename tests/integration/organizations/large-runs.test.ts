import { afterEach, beforeEach, expect, it } from "vitest";
import { readConfig } from "#core/config/config.ts";
import { createDatabase } from "#core/database/database.ts";
import { createSlices, type SliceChanges } from "#core/reconcile/create-slices.ts";
import type { Run } from "#core/reconcile/runs-database.ts";
import { walkSlice } from "#core/reconcile/walk-run.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { makeOrganizations, membershipData, organizationIdOf } from "../../support/clerk/build-record-event.ts";
import { allRecords } from "../../support/clerk/record-fields.ts";
import { storedFields } from "../../support/clerk/root-fields.ts";
import { createKindQueue, type KindQueue } from "../../support/database/kind-queue.ts";
import { soak } from "../../support/processes/soak.ts";

let queue: KindQueue;
let clerk: ClerkStandIn;
beforeEach(async () => {
  clerk = await startClerkStandIn({ secretKey: "sk_live_stand_in" });
  queue = await createKindQueue();
});
afterEach(async () => {
  await queue?.drop();
  await clerk?.stop();
});

/** 1,000 organizations with 10,000 memberships, and ten times as many in `npm run test:soak`. */
const organizations = 1000 * Math.min(soak, 10);
const members = 10;

function* makeMemberships() {
  for (let place = 0; place < organizations * members; place++) {
    yield membershipData({
      id: `orgmem_${String(place).padStart(7, "0")}`,
      organization: organizationIdOf(place % organizations),
      user: `user_${Math.floor(place / organizations)}`,
      version: place,
      createdAt: place,
    });
  }
}

function openSlices(changes: SliceChanges = {}) {
  const call = createCallFunction(queue.pool);
  const config = readConfig({ CLERK_SECRET_KEY: clerk.secretKey, CLERK_API_URL: clerk.url });
  const slices = createSlices({ ...config, authMirror: false }, call, storedFields, {
    records: allRecords,
    ...changes,
  });
  if (slices === null) throw new Error("there is a key");
  return { slices, database: createDatabase(call) };
}

const backfill = { kind: "backfill", applies: true, budgetMilliseconds: 3_600_000 } as const;

/** A process that is killed at this request to Clerk: it never does anything again, and its lease runs out. */
async function walkAndDie(request: number): Promise<void> {
  let count = 0;
  const died = Promise.withResolvers<void>();
  const send: typeof fetch = (input, init) => {
    if (++count < request) return fetch(input, init);
    died.resolve();
    return new Promise(() => undefined);
  };
  void walkSlice(openSlices({ fetch: send }).slices, backfill);
  await died.promise;
  await queue.rows("update clerk_sync.sync_runs set lease_until = now()");
}

async function walkToEnd(): Promise<Run> {
  for (;;) {
    const { slices, database } = openSlices();
    const { state, run } = await walkSlice(slices, backfill);
    const rules = { mirrorUser: null, readUser: null, fields: storedFields, deleteBrake: null, now: Date.now };
    await processQueue({ database, ...rules }, { budgetMilliseconds: 3_600_000 });
    if (state === "done" && run !== null) return run;
  }
}

it("killed twice on the way, a backfill of organizations goes on where it was, and queues nothing twice", async () => {
  clerk.organizations.fill(makeOrganizations(organizations));
  clerk.memberships.fill(makeMemberships());
  const start = Date.now();
  await walkAndDie(4); // among the organizations
  await walkAndDie(Math.floor((organizations * members) / 900)); // among the memberships
  const requests = clerk.requests.length;
  const run = await walkToEnd();
  console.log(
    `${organizations} organizations, ${organizations * members} memberships: ${clerk.requests.length} requests, ` +
      `${(Date.now() - start) / 1000} s`,
  );
  expect(run.counts).toMatchObject({
    organization_read: organizations,
    membership_read: organizations * members,
    queued: organizations * (members + 1),
  });
  expect(clerk.requests.length - requests).toBeLessThan((organizations * members) / 450); // not from the beginning
  expect(await queue.rows("select count(*)::int as count from public.organization_memberships")).toEqual([
    { count: organizations * members },
  ]);
});
