import type { UserPage } from "../clerk/parse-page.ts";
import type { NewJob } from "../database/database.ts";
import type { Difference, ReadUserRow, RunStep } from "./runs-database.ts";
import { type LeasedRun, type StepDependencies, toRow } from "./step.ts";

/** What is repaired by applying what Clerk has. A name alone is not: users may edit theirs here. */
const repairable: ReadonlySet<Difference["kind"]> = new Set(["missing", "stale", "ahead", "differs", "unmirrored"]);

/** Compares a page of users with ours: the counts by kind, and the jobs that repair when the run applies. */
export async function comparePage(
  page: Pick<UserPage, "users" | "unreadable">,
  run: LeasedRun,
  { runs, fields, withValues, watcher }: StepDependencies,
): Promise<{ counts: Record<string, number>; jobs: NewJob[] }> {
  if (page.unreadable.length > 0) watcher.onUnreadable?.(page.unreadable);
  const rows = new Map(page.users.map((user) => [user.user.id, toRow(user, fields)]));
  const differences = rows.size > 0 ? await runs.compareUsers([...rows.values()], run.mirrors, withValues) : [];
  watcher.onDifferences?.(differences);
  const repairs = differences.filter(({ kind }) => run.applies && repairable.has(kind));
  return {
    counts: { read: page.users.length, unreadable: page.unreadable.length, ...countKinds(differences) },
    jobs: repairs
      .map(({ clerk_id }) => rows.get(clerk_id))
      .filter(isRow)
      .map((row) => toRepair(run, row)),
  };
}

/** How many differences there are of each kind. */
export function countKinds(differences: readonly Difference[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of differences) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Two results of one step as one. */
export function mergeCounts(one: RunStep["counts"] = {}, other: RunStep["counts"] = {}): Record<string, number> {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return Object.fromEntries([...keys].map((key) => [key, (one[key] ?? 0) + (other[key] ?? 0)]));
}

function isRow(row: ReadUserRow | undefined): row is ReadUserRow {
  return row !== undefined;
}

function toRepair({ id, readAt }: LeasedRun, { clerk_id, version, payload }: ReadUserRow): NewJob {
  return {
    event_id: `reconcile_${id}_${clerk_id}_${version}`,
    job_type: "USER_UPDATED",
    clerk_id,
    version,
    payload: { ...payload, retry_count: 0 },
    source: "reconcile",
    read_at: readAt,
  };
}
