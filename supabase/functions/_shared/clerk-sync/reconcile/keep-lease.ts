import type { ClerkApi } from "../clerk/clerk-api.ts";
import type { ClerkRecordsApi } from "../clerk/clerk-records-api.ts";
import { SyncError } from "../errors.ts";
import type { AuthReader } from "../mirror/read-auth-users.ts";
import type { RunsDatabase } from "./runs-database.ts";
import type { LeasedRun, StepDependencies } from "./step.ts";

/** One request may take 45 s with its repeats; the lease is a minute. */
const renewAfterMilliseconds = 5000;

type Doors = Pick<StepDependencies, "runs" | "clerk" | "records" | "auth"> & { now: () => number };

/**
 * The same doors, but a request to Clerk's API or Supabase Auth first renews the lease of the run when that was not done for five
 * seconds: a step of many slow requests must not lose the run to another runner. A page that was read stays as old as
 * it is: what is renewed is the lease, not its readAt.
 * The requests throw SyncError `run_lost` when another runner has the run.
 */
export function keepLease<Dependencies extends Doors>(dependencies: Dependencies, run: LeasedRun): Dependencies {
  const { runs, clerk, records, auth, now } = dependencies;
  let renewedAt = now();
  let renewal: Promise<void> | null = null;
  const advance: RunsDatabase["advance"] = async (...step) => {
    const startedAt = now();
    const advanced = await runs.advance(...step);
    renewedAt = startedAt;
    return advanced;
  };
  const renew = async () => {
    if (renewal === null && now() - renewedAt < renewAfterMilliseconds) return;
    renewal ??= advance(run.id, run.token, {})
      .then((advanced) => {
        if (!advanced.held) throw runLost();
      })
      .finally(() => {
        renewal = null;
      });
    await renewal;
  };
  const keptRecords = { ...records, clerk: renewBeforeRecords(records.clerk, renew) };
  const kept = {
    clerk: renewBefore(clerk, renew),
    records: keptRecords,
    auth: auth === null ? null : renewBeforeAuth(auth, renew),
  };
  return { ...dependencies, runs: { ...runs, advance }, ...kept };
}

/** A door each of whose calls waits for `renew` first. */
function renewBefore(clerk: ClerkApi, renew: () => Promise<void>): ClerkApi {
  return {
    readUser: (clerkId) => renew().then(() => clerk.readUser(clerkId)),
    listUsers: (after) => renew().then(() => clerk.listUsers(after)),
    listRecentlyUpdated: (range) => renew().then(() => clerk.listRecentlyUpdated(range)),
    readUsers: (clerkIds) => renew().then(() => clerk.readUsers(clerkIds)),
    countUsers: () => renew().then(() => clerk.countUsers()),
  };
}

function renewBeforeRecords(clerk: ClerkRecordsApi, renew: () => Promise<void>): ClerkRecordsApi {
  return {
    readOrganization: (id) => renew().then(() => clerk.readOrganization(id)),
    listOrganizations: (range) => renew().then(() => clerk.listOrganizations(range)),
    readOrganizations: (ids) => renew().then(() => clerk.readOrganizations(ids)),
    countOrganizations: () => renew().then(() => clerk.countOrganizations()),
    listMemberships: (range) => renew().then(() => clerk.listMemberships(range)),
    countMemberships: () => renew().then(() => clerk.countMemberships()),
    readMembershipsOf: (id, userIds) => renew().then(() => clerk.readMembershipsOf(id, userIds)),
    listMembershipsOf: (id, range) => renew().then(() => clerk.listMembershipsOf(id, range)),
    listMembershipsOfUser: (userId, range) => renew().then(() => clerk.listMembershipsOfUser(userId, range)),
    listRoles: (range) => renew().then(() => clerk.listRoles(range)),
    readRole: (id) => renew().then(() => clerk.readRole(id)),
    listInvitations: (range) => renew().then(() => clerk.listInvitations(range)),
  };
}

function renewBeforeAuth(auth: AuthReader, renew: () => Promise<void>): AuthReader {
  return {
    listUsers: (page) => renew().then(() => auth.listUsers(page)),
    readUser: (id) => renew().then(() => auth.readUser(id)),
    isEmailTaken: (email) => renew().then(() => auth.isEmailTaken(email)),
  };
}

export function runLost(): SyncError {
  return new SyncError("run_lost", "The run was cancelled, or another process carries it on.");
}
