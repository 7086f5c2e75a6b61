import { pageSize } from "../clerk/clerk-api.ts";
import { clerkUnavailable } from "../clerk/clerk-failure.ts";
import type { ClerkRecordsApi } from "../clerk/clerk-records-api.ts";
import { mapRecord } from "../clerk/map-record.ts";
import type { ClerkRecord } from "../clerk/parse-record.ts";
import type { RecordFields } from "../config/mapping.ts";
import type { Database, JobOutcome, NewJob, Read, ReadOrder } from "../database/database.ts";
import { SyncError } from "../errors.ts";

/** Reads a record for its job, or other records, whose jobs are in the queue when it returns. */
export type ReadRecord = (order: ReadOrder) => Promise<Read | JobOutcome>;

/** Pages overlap: a record that goes while a list is walked moves all after it one place up. */
const overlap = 50;

/**
 * Makes the reading of organizations and what belongs to them from Clerk's API. Throws as the client and the database do,
 * and SyncError `clerk_rejected` for a membership of which nothing says where Clerk lists it.
 */
export function createReadRecord(
  api: ClerkRecordsApi,
  fields: RecordFields,
  enqueue: Database["enqueue"],
  maxAttempts: number,
): ReadRecord {
  const found = (jobId: string, record: ClerkRecord | undefined): Read =>
    record === undefined
      ? { job_id: jobId, deleted: true }
      : { job_id: jobId, deleted: false, version: record.version, payload: mapRecord(record, fields) };
  const queue = async (order: ReadOrder, pages: AsyncIterable<Page>): Promise<JobOutcome> => {
    for await (const { records } of pages) await enqueue(toJobs(order, fields, records), maxAttempts);
    return { job_id: order.job_id, outcome: "read" };
  };
  return async (order) => {
    const { job_id: jobId, clerk_id: id, kind, members } = order;
    if (members) return queue(order, listPages(membersOf(api, order)));
    if (kind === "permission") return queue(order, listPages(api.listRoles));
    if (kind === "organization") return found(jobId, recordOf(await api.readOrganization(id)));
    if (kind === "role") return found(jobId, recordOf(await api.readRole(id)));
    const pages = kind === "membership" ? await findMembership(api, order) : listPages(api.listInvitations);
    for await (const { records, unreadable } of pages) {
      const record = records.find((one) => one.id === id);
      if (record !== undefined) return found(jobId, record);
      if (unreadable.length > 0) throw clerkUnavailable("answered in an unknown form."); // it may be the one that is asked for
    }
    return found(jobId, undefined);
  };
}

function recordOf(fresh: Awaited<ReturnType<ClerkRecordsApi["readRole"]>>): ClerkRecord | undefined {
  return fresh.deleted ? undefined : fresh.record;
}

function membersOf(api: ClerkRecordsApi, { clerk_id: id, kind }: ReadOrder) {
  return kind === "organization"
    ? (range: Range) => api.listMembershipsOf(id, range)
    : (range: Range) => api.listMembershipsOfUser(id, range);
}

/** Clerk's API has no route for a membership by its id: its organization's list is asked for its user. */
async function findMembership(api: ClerkRecordsApi, order: ReadOrder): Promise<Page[]> {
  const { organization_id: organization, user_id: user } = order;
  if (organization === null || user === null) {
    throw new SyncError(
      "clerk_rejected",
      "Nothing is known of this membership, so it cannot be read; resync its organization.",
    );
  }
  const page = await api.readMembershipsOf(organization, [user]);
  return page === null ? [] : [page];
}

type Range = { offset: number; limit: number };
type Page = { records: ClerkRecord[]; unreadable: string[]; length: number };

/** All records of a list; none when what it belongs to is gone. */
async function* listPages(list: (range: Range) => Promise<Page | null>): AsyncGenerator<Page> {
  for (let offset = 0; ; offset += pageSize - overlap) {
    const page = await list({ offset, limit: pageSize });
    if (page === null) return;
    yield page;
    if (page.length < pageSize) return;
  }
}

/** The event id names the job that read them: a read that begins again stores nothing twice. */
function toJobs(
  { job_id: jobId, read_at: readAt }: ReadOrder,
  fields: RecordFields,
  records: readonly ClerkRecord[],
): NewJob[] {
  return records.map((record) => ({
    event_id: `read_${jobId}_${record.id}`,
    job_type: record.kind === "role" ? "ROLE_UPDATED" : "MEMBERSHIP_UPDATED",
    clerk_id: record.id,
    version: record.version,
    source: "read",
    ...(readAt === null ? {} : { read_at: readAt }),
    payload: { ...mapRecord(record, fields), retry_count: 0 },
  }));
}
