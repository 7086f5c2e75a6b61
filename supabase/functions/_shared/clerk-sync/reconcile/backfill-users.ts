import type { NewJob } from "../database/database.ts";
import { cursorAfter, readNextPage } from "./read-next-page.ts";
import type { ReadUserRow } from "./runs-database.ts";
import { type LeasedRun, type Step, toRow } from "./step.ts";

/**
 * One step of a backfill: queues the next page of users. A page that is queued a second time, after a crash say, makes
 * no second job: the id of a job is made of run, user and version. Users who are here and as new make none at all.
 */
export const backfillUsers: Step = async (run, { clerk, fields, watcher }) => {
  const page = await readNextPage(clerk, run);
  if (page === null) return { phase: "settle" };
  if (page.unreadable.length > 0) watcher.onUnreadable?.(page.unreadable);
  return {
    cursor: cursorAfter(page, run),
    counts: { read: page.users.length, unreadable: page.unreadable.length },
    jobs: page.users.map((user) => toBackfillJob(run, toRow(user, fields))),
  };
};

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
