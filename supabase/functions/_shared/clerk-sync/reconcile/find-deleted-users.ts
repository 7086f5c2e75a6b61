import type { ClerkApi } from "../clerk/clerk-api.ts";
import type { NewJob } from "../database/database.ts";
import { SyncError } from "../errors.ts";
import { refuseUnknown } from "./check-instance.ts";
import { comparePage, mergeCounts } from "./compare-page.ts";
import type { Difference, RunStep } from "./runs-database.ts";
import type { LeasedRun, Step, StepDependencies } from "./step.ts";

/** Requests of a step that go out at once. */
const concurrency = 10;
/** A step must end well within the run's lease, and live events wait for it. */
const idsPerStep = 20;

/**
 * One step at the end of a compare: users of ours that Clerk's list did not show. Those that it finds when asked by id
 * are compared; each of the others counts as deleted only when Clerk answers `resource_not_found` for it, and its
 * deletion goes through the delete brake like any other. A row that never came through the sync (seeded, or of another
 * instance) is named and left, unless a person has it deleted.
 * Throws SyncError `clerk_instance_mismatch` when there are too many of them, before anything is deleted.
 */
export const findDeletedUsers: Step = async (run, dependencies) => {
  const { after = "", several = await countThem(dependencies) } = run.cursor;
  const unmarked = await dependencies.runs.unmarkedUsers(String(after), idsPerStep, several === 1);
  const step = unmarked.clerk_ids.length === 0 ? {} : await lookUp(unmarked, run, dependencies);
  if (unmarked.next !== null) return { ...step, cursor: { after: unmarked.next, several } };
  const looksIntoAuth = run.mirrors && dependencies.auth !== null;
  const next: RunStep = looksIntoAuth ? { phase: "auth", cursor: { several } } : { phase: "settle" };
  return { ...step, ...next };
};

/** Once a run: 1 where events of several instances come, else 0. */
async function countThem({ runs, mostUnknownPercent }: StepDependencies): Promise<0 | 1> {
  const { users, unmarked, several } = await runs.countUnmarked();
  refuseUnknown(unmarked, users, mostUnknownPercent);
  return several ? 1 : 0;
}

type Unmarked = { clerk_ids: readonly string[]; foreign: readonly string[] };

async function lookUp({ clerk_ids: clerkIds, foreign }: Unmarked, run: LeasedRun, dependencies: StepDependencies) {
  const { clerk, deletesForeign } = dependencies;
  const page = await clerk.readUsers(clerkIds);
  const compared = await comparePage(page, run, dependencies);
  const known = new Set([...page.users.map(({ user }) => user.id), ...page.unreadable]);
  const absent = clerkIds.filter((id) => !known.has(id));
  const { deleted, refused } = await confirmDeleted(clerk, absent);
  if (refused.length > 0) dependencies.watcher.onUnreadable?.(refused);
  const isLeft = (id: string) => foreign.includes(id) && !deletesForeign;
  const [left, extra] = [deleted.filter(isLeft), deleted.filter((id) => !isLeft(id))];
  dependencies.watcher.onDifferences?.([...named("foreign", left), ...named("extra", extra)]);
  return {
    counts: mergeCounts(compared.counts, {
      extra: extra.length,
      foreign: left.length,
      unreadable: refused.length,
    }),
    jobs: [...compared.jobs, ...(run.applies ? extra.map((id) => toDeletion(run, id)) : [])],
    marks: [...known],
  };
}

function named(kind: Difference["kind"], clerkIds: readonly string[]): Difference[] {
  return clerkIds.map((clerk_id) => ({ clerk_id, kind, fields: [] }));
}

/** Which of these Clerk says to be gone, and which ids it refuses to look up: somebody made them up. */
async function confirmDeleted(clerk: ClerkApi, clerkIds: readonly string[]) {
  const found: Record<"deleted" | "refused" | "there", string[]> = { deleted: [], refused: [], there: [] };
  for (let start = 0; start < clerkIds.length; start += concurrency) {
    const ids = clerkIds.slice(start, start + concurrency);
    await Promise.all(ids.map(async (id) => found[await lookUpOne(clerk, id)].push(id)));
  }
  return found;
}

async function lookUpOne(clerk: ClerkApi, clerkId: string): Promise<"deleted" | "refused" | "there"> {
  try {
    return (await clerk.readUser(clerkId)).deleted ? "deleted" : "there";
  } catch (error) {
    if (error instanceof SyncError && error.code === "clerk_rejected") return "refused";
    throw error;
  }
}

export function toDeletion({ id, readAt }: LeasedRun, clerkId: string): NewJob {
  return {
    event_id: `reconcile_${id}_${clerkId}_deleted`,
    job_type: "USER_DELETED",
    clerk_id: clerkId,
    version: 0,
    payload: { clerk_id: clerkId, external_id: null, retry_count: 0 },
    source: "reconcile",
    read_at: readAt,
  };
}
