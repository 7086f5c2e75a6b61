import type { ClerkApi } from "../clerk/clerk-api.ts";
import { SyncError } from "../errors.ts";
import type { AuthReader } from "../mirror/read-auth-users.ts";
import type { RunsDatabase } from "./runs-database.ts";
import type { LeasedRun } from "./step.ts";

/** One request may take 45 s with its repeats; the lease is a minute. */
const renewAfterMilliseconds = 5000;

type Doors = { runs: RunsDatabase; clerk: ClerkApi; auth: AuthReader | null; now: () => number };

/**
 * The same doors, but a request to Clerk's API or Supabase Auth first renews the lease of the run when that was not done for five
 * seconds: a step of many slow requests must not lose the run to another runner. A page that was read stays as old as
 * it is: what is renewed is the lease, not its readAt.
 * The requests throw SyncError `run_lost` when another runner has the run.
 */
export function keepLease<Dependencies extends Doors>(dependencies: Dependencies, run: LeasedRun): Dependencies {
  const { runs, clerk, auth, now } = dependencies;
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
  const kept = { clerk: renewBefore(clerk, renew), auth: auth === null ? null : renewBeforeAuth(auth, renew) };
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
