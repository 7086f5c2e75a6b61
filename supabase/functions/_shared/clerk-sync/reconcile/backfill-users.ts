import type { PageUser } from "../clerk/parse-page.ts";
import { isUserSource, payloadKey, type UserField } from "../config/sources.ts";
import type { NewJob } from "../database/database.ts";
import { cursorAfter, readNextPage } from "./read-next-page.ts";
import type { ReadUserRow } from "./runs-database.ts";
import { type LeasedRun, type Step, type StepDependencies, toRow } from "./step.ts";

/**
 * One step of a backfill: queues the next page of users. A page that is queued a second time, after a crash say, makes
 * no second job: the id of a job is made of run, user and version. Users who are here and as new make none at all.
 */
export const backfillUsers: Step = async (run, dependencies) => {
  const { clerk, fields, watcher } = dependencies;
  const page = await readNextPage(clerk, run);
  if (page === null) return { phase: "settle" };
  if (page.unreadable.length > 0) watcher.onUnreadable?.(page.unreadable);
  const counts = { read: page.users.length, unreadable: page.unreadable.length };
  const cursor = cursorAfter(page, run);
  if (run.columns === null) {
    return { cursor, counts, jobs: page.users.map((user) => toBackfillJob(run, toRow(user, fields))) };
  }
  const jobs = page.users.length > 0 ? await fillColumns(page.users, run, dependencies) : [];
  return { cursor, counts: { ...counts, unchanged: page.users.length - jobs.length }, jobs };
};

/**
 * The jobs of a backfill of some columns. Where the row is as new as what was read, a job says nothing but those columns, so
 * that what a user edited stays: all other fields are named as absent. Any other user gets all that Clerk says.
 */
async function fillColumns(
  users: readonly PageUser[],
  run: LeasedRun,
  { runs, fields }: StepDependencies,
): Promise<NewJob[]> {
  const filled = new Set(
    (run.sources ?? [])
      .filter(isUserSource)
      .map(payloadKey)
      .filter((key) => key !== null),
  );
  const all = new Set<UserField>([...fields, "external_id"]);
  const rows = new Map(users.map((user) => [user.user.id, { user, row: toPart(user, filled, all) }]));
  const found = await runs.compareColumns([...rows.values()].map(({ row }) => row));
  return found.flatMap(({ clerk_id, does }) => {
    const read = rows.get(clerk_id);
    if (read === undefined) return [];
    const row = does === "fill" ? read.row : toRow(read.user, fields);
    return [{ ...toBackfillJob(run, row), job_type: "USER_UPDATED" as const }]; // a creation would be no news
  });
}

/** What Clerk says of these fields alone; with an address or a number comes whether Clerk has verified it. */
function toPart(user: PageUser, filled: ReadonlySet<UserField>, all: ReadonlySet<UserField>): ReadUserRow {
  const row = toRow(user, filled);
  const { external_id: externalId, created_at: createdAt, absent, ...said } = row.payload;
  const payload = {
    ...said,
    ...(filled.has("external_id") && externalId !== undefined ? { external_id: externalId } : {}),
    ...(filled.has("created_at") && createdAt !== undefined ? { created_at: createdAt } : {}),
  };
  return { ...row, payload: { ...payload, absent: [...all].filter((field) => !(field in payload)) } };
}

function toBackfillJob({ id, readAt }: LeasedRun, { clerk_id, version, payload }: ReadUserRow): NewJob {
  return {
    event_id: `backfill_${id}_${clerk_id}_${version}`,
    job_type: "USER_CREATED",
    clerk_id,
    version,
    payload: { ...payload, retry_count: 0 },
    source: "backfill",
    read_at: readAt,
  };
}
