import { z } from "zod";
import type { RecordKind } from "../config/sources.ts";
import { clerkUnavailable } from "./clerk-failure.ts";
import { type ClerkApiOptions, get, notAnId, readInParts } from "./clerk-requests.ts";
import { exact } from "./clerk-values.ts";
import { type ClerkRecord, parseRecord } from "./parse-record.ts";

/** What Clerk's API says of a record now. */
export type FreshRecord = { deleted: true } | { deleted: false; record: ClerkRecord };

export type RecordPage = {
  records: ClerkRecord[];
  /** Ids of records that could not be read; an id that could not be read either is "unknown". */
  unreadable: string[];
  /** How many items the page has, those that are unreadable or listed twice included: a page that is not full is the last. */
  length: number;
  /** How many records the whole list has. */
  total: number;
};

/** A part of a list. Lists have no cursor: a record that goes while a list is walked moves all after it one place up. */
export type Range = { offset: number; limit: number };

/**
 * The door to what Clerk's Backend API says of organizations and what belongs to them. Lists are in the order of creation, the
 * oldest first, so that new records come at the end.
 */
export type ClerkRecordsApi = {
  readOrganization: (id: string) => Promise<FreshRecord>;
  listOrganizations: (range: Range) => Promise<RecordPage>;
  /** Those of at most 100 organizations that exist; as readUsers. */
  readOrganizations: (ids: readonly string[]) => Promise<RecordPage>;
  countOrganizations: () => Promise<number>;
  /** Of the whole instance. */
  listMemberships: (range: Range) => Promise<RecordPage>;
  countMemberships: () => Promise<number>;
  /** The memberships of at most 100 users in one organization; null when the organization is gone. */
  readMembershipsOf: (organizationId: string, userIds: readonly string[]) => Promise<RecordPage | null>;
  listMembershipsOf: (organizationId: string, range: Range) => Promise<RecordPage | null>;
  /** Null when the user is gone. */
  listMembershipsOfUser: (userId: string, range: Range) => Promise<RecordPage | null>;
  listRoles: (range: Range) => Promise<RecordPage>;
  readRole: (id: string) => Promise<FreshRecord>;
  listInvitations: (range: Range) => Promise<RecordPage>;
};

const listSchema = z.object({ data: z.array(z.unknown()), total_count: z.number().int().nonnegative() });
const idSchema = z.object({ id: exact.min(1).max(255) });

/** Makes the door over the same requests as createClerkApi, with the same errors. */
export function createClerkRecordsApi(options: ClerkApiOptions): ClerkRecordsApi {
  const list = (kind: RecordKind, path: string, { offset, limit }: Range, filter: Filter = []) => {
    const range: Filter = [
      ["limit", `${limit}`],
      ["offset", `${offset}`],
      ["order_by", "+created_at"],
    ];
    return get(options, `${path}?${new URLSearchParams([...range, ...filter])}`, (body) => parseList(kind, body));
  };
  const listExisting = async (kind: RecordKind, path: string, range: Range, filter: Filter = []) => {
    const page = await list(kind, path, range, filter);
    if (page === null) throw clerkUnavailable(`does not know the list ${path}. Is CLERK_API_URL right?`);
    return page;
  };
  const listOrganizations = (range: Range, filter: Filter = []) =>
    listExisting("organization", "/organizations", range, filter);
  const listMemberships = (range: Range) => listExisting("membership", "/organization_memberships", range);
  const listMembershipsOf = async (organizationId: string, range: Range, filter: Filter = []) => {
    const path = `/organizations/${toSegment(organizationId)}/memberships`;
    return believe(await list("membership", path, range, filter), "organization_id", [organizationId]);
  };
  const readOne = async (kind: RecordKind, path: string, id: string): Promise<FreshRecord> =>
    (await get(options, path, (body) => readFresh(kind, id, body))) ?? { deleted: true };
  return {
    readOrganization: async (id) => readOne("organization", `/organizations/${toSegment(id)}`, id),
    listOrganizations,
    readOrganizations: async (ids) => {
      const page = await readInParts(
        ids,
        (part) => listOrganizations(wholeOf(part), filterBy("organization_id", part)),
        unreadablePage,
        joinPages,
      );
      return { ...page, records: page.records.map((record) => checkAsked(record.id, ids, record)) };
    },
    countOrganizations: async () => (await listOrganizations(one)).total,
    listMemberships,
    countMemberships: async () => (await listMemberships(one)).total,
    readMembershipsOf: async (organizationId, userIds) => {
      const page = await readInParts(
        userIds,
        (part) => listMembershipsOf(organizationId, wholeOf(part), filterBy("user_id", part)),
        unreadablePage,
        (first, second) => first && second && joinPages(first, second),
      );
      return believe(page, "user_id", userIds);
    },
    listMembershipsOf,
    listMembershipsOfUser: async (userId, range) =>
      believe(await list("membership", `/users/${toSegment(userId)}/organization_memberships`, range), "user_id", [
        userId,
      ]),
    listRoles: (range) => listExisting("role", "/organization_roles", range),
    readRole: async (id) => readOne("role", `/organization_roles/${toSegment(id)}`, id),
    listInvitations: (range) => listExisting("invitation", "/organization_invitations", range),
  };
}

type Filter = [string, string][];

const one: Range = { offset: 0, limit: 1 };

/** All that can be found of these ids: of each, one record at most. */
function wholeOf(ids: readonly string[]): Range {
  return { offset: 0, limit: Math.max(1, ids.length) };
}

function filterBy(name: string, ids: readonly string[]): Filter {
  return ids.map((id) => [name, id]);
}

/** A path of dots would be another route. */
function toSegment(id: string): string {
  if (id === "." || id === "..") throw notAnId();
  return encodeURIComponent(id);
}

/**
 * Reads a list item by item: one that cannot be read is named and costs the others nothing, one that is listed twice comes
 * once. Throws when it is no list.
 */
function parseList(kind: RecordKind, body: unknown): RecordPage {
  const { data, total_count: total } = listSchema.parse(body);
  const records = new Map<string, ClerkRecord>();
  const unreadable: string[] = [];
  for (const item of data) {
    const record = readItem(kind, item);
    if (typeof record === "string") unreadable.push(record);
    else records.set(record.id, record);
  }
  return { records: [...records.values()], unreadable, length: data.length, total };
}

function readItem(kind: RecordKind, item: unknown): ClerkRecord | string {
  try {
    return parseRecord(kind, item);
  } catch {
    return idSchema.safeParse(item).data?.id ?? "unknown"; // its reason may quote what is in it
  }
}

function readFresh(kind: RecordKind, id: string, body: unknown): FreshRecord {
  const record = parseRecord(kind, body);
  if (record.id !== id) throw new Error("another record than was asked for"); // the route of organizations takes slugs, too
  return { deleted: false, record };
}

/** A list that was asked for by ids and shows others was not filtered, and who is not in it may yet be there. */
function believe(page: RecordPage | null, field: string, asked: readonly string[]): RecordPage | null {
  for (const record of page?.records ?? []) checkAsked(record.fields[field], asked, record);
  return page;
}

function checkAsked(value: unknown, asked: readonly string[], record: ClerkRecord): ClerkRecord {
  if (typeof value === "string" && asked.includes(value)) return record;
  throw clerkUnavailable(`listed another ${record.kind} than was asked for.`);
}

function unreadablePage(ids: readonly string[]): RecordPage {
  return { records: [], unreadable: [...ids], length: 0, total: 0 };
}

function joinPages(first: RecordPage, second: RecordPage): RecordPage {
  return {
    records: [...first.records, ...second.records],
    unreadable: [...first.unreadable, ...second.unreadable],
    length: first.length + second.length,
    total: first.total + second.total,
  };
}
