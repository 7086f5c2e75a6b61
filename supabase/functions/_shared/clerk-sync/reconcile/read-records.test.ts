import { describe, expect, test } from "vitest";
import {
  invitationData,
  membershipData,
  organizationData,
  organizationIdOf,
  roleData,
} from "../../../../../tests/support/clerk/build-record-event.ts";
import { allRecords } from "../../../../../tests/support/clerk/record-fields.ts";
import {
  createFakeRecords,
  createFakeRuns,
  createFakeSlices,
  newRun,
} from "../../../../../tests/support/database/fake-runs-database.ts";
import type { ClerkRecordsApi, Range, RecordPage } from "../clerk/clerk-records-api.ts";
import { parseRecord } from "../clerk/parse-record.ts";
import { noRecords, type RecordFields } from "../config/mapping.ts";
import type { RecordKind } from "../config/sources.ts";
import { placeAfter } from "./read-records.ts";
import type { Difference, RunKind, RunsDatabase } from "./runs-database.ts";
import { type SliceDependencies, walkSlice } from "./walk-run.ts";

const pageOf = (kind: RecordKind, all: readonly object[], { offset, limit }: Range): RecordPage => {
  const records = all.slice(offset, offset + limit).map((data) => parseRecord(kind, data));
  return { records, unreadable: [], length: records.length, total: all.length };
};

/** An instance of these records, each created after the one before. */
function instanceOf(count: number) {
  const organizations = Array.from({ length: count }, (_, place) =>
    organizationData({ id: organizationIdOf(place), version: place, createdAt: place }),
  );
  const memberships = organizations.map(({ id }, place) =>
    membershipData({
      id: `orgmem_${place}`,
      organization: id,
      user: `user_${place}`,
      version: place,
      createdAt: place,
    }),
  );
  const roles = [roleData({ id: "role_1", key: "org:admin", version: 1 })];
  const invitations = [invitationData({ id: "orginv_1", organization: organizationIdOf(0), version: 1 })];
  const asked: string[] = [];
  const clerk = createFakeRecords({
    listOrganizations: async (range) => {
      asked.push(`organizations ${range.offset}`);
      return pageOf("organization", organizations, range);
    },
    listMemberships: async (range) => {
      asked.push(`memberships ${range.offset}`);
      return pageOf("membership", memberships, range);
    },
    listRoles: async (range) => pageOf("role", roles, range),
    listInvitations: async (range) => pageOf("invitation", invitations, range),
  });
  return { clerk, organizations, memberships, asked };
}

type Over = { stored?: RecordFields; runs?: Partial<RunsDatabase>; applies?: boolean } & Partial<SliceDependencies>;

async function walk(
  kind: RunKind,
  clerk: ClerkRecordsApi,
  { stored = allRecords, runs, applies = true, ...more }: Over = {},
) {
  const fake = createFakeRuns(newRun(kind, { applies }));
  const marked = new Set<string>();
  const compared: RunsDatabase["compareRecords"] = async (_, records) => ({
    seen: records.filter(({ clerk_id }) => marked.has(clerk_id)).length,
    found: records
      .filter(({ clerk_id }) => !marked.has(clerk_id))
      .map(({ clerk_id }) => ({ clerk_id, kind: "missing" as const, fields: [] })),
  });
  const advance: RunsDatabase["advance"] = async (id, token, step) => {
    for (const mark of step.marks ?? []) marked.add(mark);
    return await fake.runs.advance(id, token, step);
  };
  const dependencies = createFakeSlices(
    { ...fake.runs, compareRecords: compared, advance, ...runs },
    { records: { clerk, fields: stored }, ...more },
  );
  const { state } = await walkSlice(dependencies, { kind, applies, budgetMilliseconds: 1000 });
  const jobs = fake.state.steps.flatMap((step) => step.jobs ?? []);
  return { state, jobs, marked, steps: fake.state.steps, phases: fake.state.steps.flatMap(({ phase }) => phase ?? []) };
}

describe("a run", () => {
  test("of backfill walks users, then each kind that is stored, and settles", async () => {
    const { state, phases } = await walk("backfill", instanceOf(3).clerk);
    expect(state).toBe("done");
    expect(phases).toEqual([
      "walk",
      "read_organization",
      "read_membership",
      "read_role",
      "read_invitation",
      "settle",
      "settled",
    ]);
  });

  test("of compare walks them before it looks for what is gone, users first", async () => {
    const stored: RecordFields = new Map([...allRecords].filter(([kind]) => kind !== "invitation" && kind !== "role"));
    const { phases } = await walk("compare", instanceOf(3).clerk, { stored });
    expect(phases).toEqual([
      "walk",
      "read_organization",
      "read_membership",
      "deleted",
      "ended_organization",
      "ended_membership",
      "settle",
      "settled",
    ]);
  });

  test("goes through users alone where no other kind is stored, and so does a sweep", async () => {
    const { clerk, asked } = instanceOf(3);
    expect((await walk("backfill", clerk, { stored: noRecords })).phases).toEqual(["walk", "settle", "settled"]);
    expect((await walk("compare", clerk, { stored: noRecords })).phases).toEqual([
      "walk",
      "deleted",
      "settle",
      "settled",
    ]);
    expect((await walk("sweep", clerk)).phases).toEqual(["walk", "settle", "settled"]);
    expect(asked).toEqual([]);
  });
});

describe("a walk", () => {
  test("reads overlapping pages, and queues each record once", async () => {
    const { clerk, asked } = instanceOf(1200);
    const { jobs, marked, steps } = await walk("backfill", clerk);
    expect(asked.filter((each) => each.startsWith("org"))).toEqual([
      "organizations 0",
      "organizations 450",
      "organizations 900",
    ]);
    expect(marked.size).toBe(2402);
    expect(jobs).toHaveLength(2402);
    expect(new Set(jobs.map(({ event_id }) => event_id)).size).toBe(2402);
    const read = steps.reduce((sum, { counts }) => sum + (counts?.["organization_read"] ?? 0), 0);
    expect(read).toBe(1200);
  });

  test("makes jobs of the kind, with what was read when, and without the organization again", async () => {
    const { clerk, memberships } = instanceOf(1);
    const { jobs } = await walk("compare", clerk);
    const job = jobs.find(({ kind }) => kind === "membership");
    expect(job).toMatchObject({
      event_id: `reconcile_run-1_orgmem_0_${memberships[0]?.updated_at}`,
      job_type: "MEMBERSHIP_UPDATED",
      source: "reconcile",
      read_at: expect.any(String),
      payload: { organization_id: organizationIdOf(0), user_id: "user_0", role: "org:member" },
    });
    expect(job?.payload).not.toHaveProperty("organization");
  });

  test("of a dry run counts and names what differs, and queues nothing", async () => {
    const told: Difference[] = [];
    const watcher = { onDifferences: (differences: readonly Difference[]) => void told.push(...differences) };
    const { jobs, steps } = await walk("compare", instanceOf(2).clerk, { applies: false, watcher });
    expect(jobs).toEqual([]);
    expect(told).toContainEqual({ clerk_id: "orgmem_1", kind: "missing", fields: [], of: "membership" });
    expect(steps.find(({ counts }) => counts?.["membership_missing"] === 2)).toBeDefined();
  });

  test("names a membership that does not say whose it is, and it costs the others nothing", async () => {
    const { clerk, memberships } = instanceOf(2);
    Object.assign(memberships[0] ?? {}, { public_user_data: null });
    const unreadable: string[] = [];
    const { jobs } = await walk("backfill", clerk, {
      watcher: { onUnreadable: (ids) => void unreadable.push(...ids) },
    });
    expect(unreadable).toEqual(["orgmem_0"]);
    expect(jobs.map(({ clerk_id }) => clerk_id)).toContain("orgmem_1");
    expect(jobs.map(({ clerk_id }) => clerk_id)).not.toContain("orgmem_0");
  });

  test("finds every record that is there throughout, although others go between any two requests", async () => {
    for (const going of [1, 40, 60, 300]) {
      const { clerk, organizations, asked } = instanceOf(2000);
      const list = clerk.listOrganizations;
      const staying = new Set(organizations.slice(1500).map(({ id }) => id));
      const { marked } = await walk("backfill", {
        ...clerk,
        listOrganizations: async (range) => {
          const page = await list(range);
          if (organizations.length > 600) organizations.splice(0, going);
          return page;
        },
      });
      const missed = organizations.filter(({ id }) => staying.has(id) && !marked.has(id));
      expect({ going, missed: missed.length }).toEqual({ going, missed: 0 });
      expect(asked.filter((each) => each.startsWith("org")).length).toBeLessThan(20);
    }
  });
});

describe("where a walk goes on", () => {
  const place = { offset: 850, reached: 900, total: 1400, seen: 900, round: 0 };

  test("after a full page it is the next one, with an overlap", () => {
    expect(placeAfter({ length: 500, total: 1400 }, place)).toMatchObject({ offset: 1300, reached: 1350, round: 0 });
  });

  test("where records went that were before it, the next pages overlap more", () => {
    expect(placeAfter({ length: 500, total: 1360 }, place)).toMatchObject({ offset: 1270, reached: 1350, round: 0 });
  });

  test("a page that leaves a gap is not counted: it goes back to before the gap", () => {
    expect(placeAfter({ length: 500, total: 1300 }, place)).toMatchObject({ offset: 600, reached: 800, round: 1 });
  });

  test("at the end the tail is read again when the total moved, and it is over when it did not", () => {
    expect(placeAfter({ length: 460, total: 1360 }, { ...place, seen: 1400 })).toMatchObject({
      offset: 1230,
      round: 1,
    });
    expect(placeAfter({ length: 300, total: 1150 }, { ...place, total: 1150, seen: 1150 })).toBeNull();
  });

  test("it begins again once when it has seen fewer than there are, and never goes on without end", () => {
    const end = { ...place, total: 1150, seen: 1100 };
    expect(placeAfter({ length: 300, total: 1150 }, end)).toMatchObject({ offset: 0, reached: 0, round: 5 });
    expect(placeAfter({ length: 300, total: 1100 }, { ...end, round: 5 })).toBeNull();
  });
});
