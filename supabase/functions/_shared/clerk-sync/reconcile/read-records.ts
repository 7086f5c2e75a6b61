import { pageSize } from "../clerk/clerk-api.ts";
import type { ClerkRecordsApi, Range, RecordPage } from "../clerk/clerk-records-api.ts";
import { isComplete, mapRecord, recordJobType } from "../clerk/map-record.ts";
import type { ClerkRecord } from "../clerk/parse-record.ts";
import type { RecordFields } from "../config/mapping.ts";
import type { NewJob } from "../database/database.ts";
import { countKinds } from "./compare-page.ts";
import { phaseAfter } from "./record-phases.ts";
import type { Difference, ReadRecordRow, Run, WalkedKind } from "./runs-database.ts";
import type { LeasedRun, Step, StepDependencies } from "./step.ts";

/** Pages overlap by so many records: deletions between two requests shift the list, and would hide as many from us. */
const overlap = 50;
/** So often a walk goes back because the list moved; what it misses is left to the next one. */
const mostRounds = 5;

const lists: { readonly [Kind in WalkedKind]: (clerk: ClerkRecordsApi, range: Range) => Promise<RecordPage> } = {
  organization: (clerk, range) => clerk.listOrganizations(range),
  membership: (clerk, range) => clerk.listMemberships(range),
  role: (clerk, range) => clerk.listRoles(range),
  invitation: (clerk, range) => clerk.listInvitations(range),
};

/** One step of a backfill or a compare: the next page of records of a kind is compared, and marked as seen. */
export const readNextRecords =
  (kind: WalkedKind): Step =>
  async (run, dependencies) => {
    const { clerk, fields } = dependencies.records;
    const place = readPlace(run.cursor);
    const page = await lists[kind](clerk, { offset: place.offset, limit: pageSize });
    const { counts, jobs, fresh } = await compareRecords(kind, page, run, dependencies);
    const next = placeAfter(page, { ...place, seen: place.seen + fresh });
    const marks = [...page.records.map(({ id }) => id), ...page.unreadable];
    return { counts, jobs, marks, ...(next === null ? phaseAfter(run, fields) : { cursor: next }) };
  };

/**
 * `reached`: before this place in the list everything was read. `total`: how long the list was at the request before, -1
 * before the first. `seen`: how many records this walk has seen, each once. `round`: how often it went back.
 */
type Place = { offset: number; reached: number; total: number; seen: number; round: number };

function readPlace(cursor: Run["cursor"]): Place {
  const read = (name: string, otherwise: number) => Number(cursor[name] ?? otherwise);
  const offset = read("offset", 0);
  return {
    offset,
    reached: read("reached", 0),
    total: read("total", -1),
    seen: read("seen", 0),
    round: read("round", 0),
  };
}

/**
 * Where a walk goes on after a page; null at the end. A list has no cursor: where records go while it is walked, those after
 * them move up, past the place where the walk stands. So pages overlap, the more the more records went. A page that begins
 * after that place leaves a gap, and is not counted. At the end the tail is read again when the total moved since the page
 * before, and the whole list once when the walk has seen fewer records than there are: others came while some went.
 */
export function placeAfter(page: Pick<RecordPage, "length" | "total">, place: Place): Place | null {
  const { offset, total, seen, round } = place;
  const moved = total < 0 ? 0 : total - page.total;
  const safe = Math.max(0, place.reached - Math.max(0, moved));
  const mayRepeat = round < mostRounds;
  const isJoined = offset <= safe || !mayRepeat;
  const reached = isJoined ? Math.max(safe, offset + page.length) : safe;
  const shared = Math.min(pageSize - overlap, Math.max(overlap, 2 * moved));
  const next = { offset: Math.max(0, reached - shared), reached, total: page.total, seen, round };
  if (!isJoined) return { ...next, round: round + 1 };
  if (page.length >= pageSize) return next;
  if (moved !== 0 && mayRepeat) return { ...next, round: round + 1 };
  return seen < page.total && mayRepeat ? { ...next, offset: 0, reached: 0, round: mostRounds } : null;
}

const repairable: ReadonlySet<Difference["kind"]> = new Set(["missing", "stale", "ahead", "differs"]);

/** Compares records that were read with ours: the counts by kind, and the jobs that repair when the run applies. */
export async function compareRecords(
  kind: WalkedKind,
  page: Pick<RecordPage, "records" | "unreadable">,
  run: LeasedRun,
  { runs, records, withValues, watcher }: StepDependencies,
): Promise<{ counts: Record<string, number>; jobs: NewJob[]; fresh: number }> {
  const readable = page.records.filter(isComplete);
  const unreadable = [...page.unreadable, ...page.records.filter((record) => !isComplete(record)).map(({ id }) => id)];
  if (unreadable.length > 0) watcher.onUnreadable?.(unreadable);
  const rows = new Map(readable.map((record) => [record.id, toRow(record, records.fields)]));
  const { found, seen } =
    rows.size > 0 ? await runs.compareRecords(kind, [...rows.values()], withValues) : { found: [], seen: 0 };
  const differences = found.map((difference) => ({ ...difference, of: kind }));
  if (run.kind === "compare") watcher.onDifferences?.(differences);
  const repairs = differences.filter((difference) => run.applies && repairable.has(difference.kind));
  return {
    counts: countRecords(kind, {
      read: rows.size - seen,
      unreadable: unreadable.length,
      ...countKinds(run.kind === "compare" ? differences : []),
    }),
    jobs: repairs.flatMap(({ clerk_id }) => {
      const row = rows.get(clerk_id);
      return row === undefined ? [] : [toRepair(kind, run, row)];
    }),
    fresh: rows.size - seen + unreadable.length,
  };
}

/** Counts of a kind of records stand beside those of users, by names of their own. */
export function countRecords(kind: WalkedKind, counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [`${kind}_${name}`, count]));
}

/** Organizations have a walk of their own: a membership of a list need not bring its own again. */
function toRow(record: ClerkRecord, fields: RecordFields): ReadRecordRow {
  const payload = mapRecord({ ...record, organization: null }, fields);
  return { clerk_id: record.id, version: record.version, payload };
}

function toRepair(kind: WalkedKind, run: LeasedRun, { clerk_id, version, payload }: ReadRecordRow): NewJob {
  const source = run.kind === "backfill" ? "backfill" : "reconcile";
  return {
    event_id: `${source}_${run.id}_${clerk_id}_${version}`,
    kind,
    job_type: recordJobType(kind, "updated"),
    clerk_id,
    version,
    payload: { ...payload, retry_count: 0 },
    source,
    read_at: run.readAt,
  };
}
