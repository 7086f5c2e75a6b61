import type { FreshRecord, RecordPage } from "../clerk/clerk-records-api.ts";
import { recordJobType } from "../clerk/map-record.ts";
import type { NewJob } from "../database/database.ts";
import { mapInParallel } from "../http/async.ts";
import { mergeCounts } from "./compare-page.ts";
import { compareRecords, countRecords } from "./read-records.ts";
import { phaseAfter } from "./record-phases.ts";
import type { EndedKind, Run, UnmarkedRecord } from "./runs-database.ts";
import type { LeasedRun, Step, StepDependencies } from "./step.ts";

/** Requests of a step that go out at once. */
const concurrency = 10;
/** A step must end well within the run's lease, and live events wait for it. */
const idsPerStep = 20;
/** Most ids of one filter (OpenAPI, ListOrganizationMemberships). */
const usersPerRequest = 100;

/** What Clerk says of records that its list did not show: those that it has after all, and the ids of those that are gone. */
type Answer = { there: Pick<RecordPage, "records" | "unreadable">; gone: readonly string[] };

/**
 * One step at the end of a compare: organizations of ours that Clerk's list did not show. Each counts as deleted only when
 * Clerk answers `resource_not_found` for it alone, and its deletion goes through the delete brake like any other.
 */
export const findEndedOrganizations: Step = (run, dependencies) =>
  lookUpNext("organization", idsPerStep, run, dependencies, async (unmarked, { records: { clerk } }) => {
    const ids = unmarked.map(({ id }) => id);
    const page = await clerk.readOrganizations(ids);
    const known = new Set([...page.records.map(({ id }) => id), ...page.unreadable]);
    const absent = ids.filter((id) => !known.has(id));
    const { there, gone } = await readEach(absent, clerk.readOrganization);
    return { there: { records: [...page.records, ...there.records], unreadable: page.unreadable }, gone };
  });

/** The same for roles, of which there are few. */
export const findEndedRoles: Step = (run, dependencies) =>
  lookUpNext("role", idsPerStep, run, dependencies, (unmarked, { records: { clerk } }) =>
    readEach(
      unmarked.map(({ id }) => id),
      clerk.readRole,
    ),
  );

/**
 * The same for memberships, of one organization a step: there is no route for one membership, so the organization's own list
 * says which of the users are its members, and by which membership. One that has ended in the meantime, because its user left
 * and came back, is gone, too. Where the organization is gone, all of its memberships are.
 */
export const findEndedMemberships: Step = (run, dependencies) =>
  lookUpNext("membership", usersPerRequest, run, dependencies, async (unmarked, { records: { clerk } }) => {
    const named = unmarked.filter(isNamed);
    const [first] = named;
    if (first === undefined) return { there: { records: [], unreadable: [] }, gone: [] };
    const userIds = [...new Set(named.map((membership) => membership.user_id))];
    const page = await clerk.readMembershipsOf(first.organization_id, userIds);
    const { records, unreadable } = page ?? { records: [], unreadable: [] };
    const refused = new Set(unreadable); // ids of users that Clerk does not take, or of memberships that cannot be read
    const isThere = new Set(records.map(({ id }) => id));
    const gone = named.filter(({ id, user_id }) => !isThere.has(id) && !refused.has(id) && !refused.has(user_id));
    return { there: { records, unreadable }, gone: refused.has("unknown") ? [] : gone.map(({ id }) => id) };
  });

function isNamed(record: UnmarkedRecord): record is UnmarkedRecord & { user_id: string } {
  return record.organization_id !== "" && record.user_id !== null;
}

async function readEach(ids: readonly string[], read: (id: string) => Promise<FreshRecord>): Promise<Answer> {
  const answers = await mapInParallel(ids, concurrency, async (id) => ({ id, fresh: await read(id) }));
  return {
    there: { records: answers.flatMap(({ fresh }) => (fresh.deleted ? [] : [fresh.record])), unreadable: [] },
    gone: answers.flatMap(({ id, fresh }) => (fresh.deleted ? [id] : [])),
  };
}

/** What Clerk has after all is compared; what is gone is deleted. A record that never came through the sync is named and left. */
async function lookUpNext(
  kind: EndedKind,
  limit: number,
  run: LeasedRun,
  dependencies: StepDependencies,
  lookUp: (unmarked: readonly UnmarkedRecord[], dependencies: StepDependencies) => Promise<Answer>,
) {
  const { records, next } = await dependencies.runs.unmarkedRecords(kind, readAfter(run.cursor), limit);
  const rest =
    next === null ? phaseAfter(run, dependencies.records.fields) : { cursor: { organization: next[0], id: next[1] } };
  if (records.length === 0) return rest;
  const { there, gone } = await lookUp(records, dependencies);
  const { counts, jobs } = await compareRecords(kind, there, run, dependencies);
  const isLeft = ({ foreign }: UnmarkedRecord) => foreign && !dependencies.deletesForeign;
  const ended = records.filter(({ id }) => gone.includes(id));
  const [left, extra] = [ended.filter(isLeft), ended.filter((record) => !isLeft(record))];
  dependencies.watcher.onDifferences?.([
    ...left.map(({ id }) => ({ clerk_id: id, kind: "foreign" as const, fields: [], of: kind })),
    ...extra.map(({ id }) => ({ clerk_id: id, kind: "extra" as const, fields: [], of: kind })),
  ]);
  return {
    ...rest,
    counts: mergeCounts(counts, countRecords(kind, { extra: extra.length, foreign: left.length })),
    jobs: [...jobs, ...(run.applies ? extra.map((record) => toDeletion(kind, run, record)) : [])],
    marks: there.records.map(({ id }) => id),
  };
}

function readAfter({ organization, id }: Run["cursor"]): [string, string] | null {
  return organization === undefined || id === undefined ? null : [String(organization), String(id)];
}

function toDeletion(kind: EndedKind, { id: runId, readAt }: LeasedRun, record: UnmarkedRecord): NewJob {
  const { id, organization_id, user_id } = record;
  return {
    event_id: `reconcile_${runId}_${id}_deleted`,
    kind,
    job_type: recordJobType(kind, "deleted"),
    clerk_id: id,
    version: 0,
    payload: { clerk_id: id, ...(kind === "membership" ? { organization_id, user_id } : {}), retry_count: 0 },
    source: "reconcile",
    read_at: readAt,
  };
}
