import { describe, expect, test } from "vitest";
import { membershipData, organizationData, roleData } from "../../../../../tests/support/clerk/build-record-event.ts";
import { allRecords } from "../../../../../tests/support/clerk/record-fields.ts";
import {
  createFakeRecords,
  createFakeRuns,
  createFakeSlices,
  newRun,
} from "../../../../../tests/support/database/fake-runs-database.ts";
import type { ClerkRecordsApi, RecordPage } from "../clerk/clerk-records-api.ts";
import { parseRecord } from "../clerk/parse-record.ts";
import type { RecordKind } from "../config/sources.ts";
import { SyncError } from "../errors.ts";
import { findEndedMemberships, findEndedOrganizations, findEndedRoles } from "./find-ended-records.ts";
import type { Difference, RunStep, UnmarkedRecord } from "./runs-database.ts";
import type { LeasedRun, Step, StepDependencies } from "./step.ts";

const listed = (kind: RecordKind, ...all: object[]): RecordPage => ({
  records: all.map((data) => parseRecord(kind, data)),
  unreadable: [],
  length: all.length,
  total: all.length,
});
const unmarked = (
  id: string,
  organization_id = "",
  user_id: string | null = null,
  foreign = false,
): UnmarkedRecord => ({
  id,
  organization_id,
  user_id,
  foreign,
});

/** One step over records that Clerk did not show. */
async function take(
  step: Step,
  phase: string,
  records: UnmarkedRecord[],
  clerk: Partial<ClerkRecordsApi>,
  changes: Partial<StepDependencies> & { applies?: boolean; next?: [string, string] | null } = {},
) {
  const { applies = true, next = null, ...more } = changes;
  const told: Difference[] = [];
  const { runs } = createFakeRuns(null);
  const run: LeasedRun = {
    ...newRun("compare", { phase, applies }),
    token: "token-1",
    readAt: "2026-01-01T00:00:00Z",
    mirrors: false,
    openJobs: 0,
  };
  const dependencies = createFakeSlices(
    { ...runs, unmarkedRecords: async () => ({ records, next }) },
    {
      records: { clerk: createFakeRecords(clerk), fields: allRecords },
      watcher: { onDifferences: (differences) => void told.push(...differences) },
      ...more,
    },
  );
  return { step: (await step(run, dependencies)) as RunStep, told };
}

const isGone = async () => ({ deleted: true }) as const;

describe("an organization that Clerk's list did not show", () => {
  const organization = organizationData({ id: "org_there", version: 1 });

  test("is deleted when Clerk says of it alone that it is gone", async () => {
    const asked: string[] = [];
    const { step, told } = await take(
      findEndedOrganizations,
      "ended_organization",
      [unmarked("org_gone"), unmarked("org_there")],
      {
        readOrganizations: async () => listed("organization", organization),
        readOrganization: async (id) => {
          asked.push(id);
          return { deleted: true };
        },
      },
    );
    expect(asked).toEqual(["org_gone"]);
    expect(step.jobs).toEqual([
      {
        event_id: "reconcile_run-1_org_gone_deleted",
        kind: "organization",
        job_type: "ORGANIZATION_DELETED",
        clerk_id: "org_gone",
        version: 0,
        payload: { clerk_id: "org_gone", retry_count: 0 },
        source: "reconcile",
        read_at: "2026-01-01T00:00:00Z",
      },
    ]);
    expect(step).toMatchObject({ phase: "ended_membership", counts: { organization_extra: 1 }, marks: ["org_there"] });
    expect(told).toContainEqual({ clerk_id: "org_gone", kind: "extra", fields: [], of: "organization" });
  });

  test("is not deleted by a list of ids that leaves it out, when Clerk has it", async () => {
    const { step } = await take(findEndedOrganizations, "ended_organization", [unmarked("org_there")], {
      readOrganization: async () => ({ deleted: false, record: parseRecord("organization", organization) }),
    });
    expect(step.jobs).toEqual([]);
  });

  test("is not deleted while Clerk does not answer", async () => {
    const down = new SyncError("clerk_unavailable", "down", { retryable: true });
    const readOrganization = () => Promise.reject(down);
    const taken = take(findEndedOrganizations, "ended_organization", [unmarked("org_gone")], { readOrganization });
    await expect(taken).rejects.toBe(down);
  });

  test("is named and left when it never came through the sync, unless a person has it deleted", async () => {
    const seeded = [unmarked("org_seeded", "", null, true)];
    const left = await take(findEndedOrganizations, "ended_organization", seeded, { readOrganization: isGone });
    expect(left.step).toMatchObject({ jobs: [], counts: { organization_foreign: 1, organization_extra: 0 } });
    expect(left.told).toMatchObject([{ kind: "foreign", of: "organization" }]);
    const ended = await take(
      findEndedOrganizations,
      "ended_organization",
      seeded,
      { readOrganization: isGone },
      { deletesForeign: true },
    );
    expect(ended.step.jobs).toHaveLength(1);
  });

  test("is only counted by a dry run", async () => {
    const changes = { applies: false };
    const clerk = { readOrganization: isGone };
    const { step } = await take(findEndedOrganizations, "ended_organization", [unmarked("org_gone")], clerk, changes);
    expect(step).toMatchObject({ jobs: [], counts: { organization_extra: 1 } });
  });
});

describe("a membership that Clerk's list did not show", () => {
  const there = membershipData({ id: "orgmem_there", organization: "org_1", user: "user_1", version: 1 });
  const again = membershipData({ id: "orgmem_again", organization: "org_1", user: "user_2", version: 9, createdAt: 9 });

  test("is deleted when its organization's list does not have it; who came back has another", async () => {
    const asked: unknown[] = [];
    const { step } = await take(
      findEndedMemberships,
      "ended_membership",
      [
        unmarked("orgmem_there", "org_1", "user_1"),
        unmarked("orgmem_left", "org_1", "user_2"),
        unmarked("orgmem_gone", "org_1", "user_3"),
      ],
      {
        readMembershipsOf: async (...question) => {
          asked.push(question);
          return listed("membership", there, again);
        },
      },
    );
    expect(asked).toEqual([["org_1", ["user_1", "user_2", "user_3"]]]);
    expect(step.jobs?.map(({ clerk_id, job_type, payload }) => [clerk_id, job_type, payload])).toEqual([
      [
        "orgmem_left",
        "MEMBERSHIP_DELETED",
        { clerk_id: "orgmem_left", organization_id: "org_1", user_id: "user_2", retry_count: 0 },
      ],
      [
        "orgmem_gone",
        "MEMBERSHIP_DELETED",
        { clerk_id: "orgmem_gone", organization_id: "org_1", user_id: "user_3", retry_count: 0 },
      ],
    ]);
    expect(step).toMatchObject({ phase: "ended_role", marks: ["orgmem_there", "orgmem_again"] });
  });

  test("is gone with its organization", async () => {
    const records = [unmarked("orgmem_1", "org_gone", "user_1")];
    const { step } = await take(findEndedMemberships, "ended_membership", records, {});
    expect(step.jobs?.map(({ clerk_id }) => clerk_id)).toEqual(["orgmem_1"]);
  });

  test("is left while an item of the list cannot be read, or its user's id is refused", async () => {
    const readWith =
      (...unreadable: string[]) =>
      async () => ({ ...listed("membership"), unreadable });
    for (const unreadable of ["unknown", "orgmem_1", "user_1"]) {
      const readMembershipsOf = readWith(unreadable);
      const records = [unmarked("orgmem_1", "org_1", "user_1")];
      const { step } = await take(findEndedMemberships, "ended_membership", records, { readMembershipsOf });
      expect(step.jobs).toEqual([]);
    }
  });

  test("is left where its row does not say whose it is", async () => {
    const records = [unmarked("orgmem_1", "", "user_1"), unmarked("orgmem_2", "org_1", null)];
    const { step } = await take(findEndedMemberships, "ended_membership", records, {});
    expect(step.jobs).toEqual([]);
  });
});

test("a role that Clerk does not have is deleted; one that it has after all is compared", async () => {
  const role = parseRecord("role", roleData({ id: "role_there", key: "org:editor", version: 2 }));
  const readRole = async (id: string) =>
    id === "role_gone" ? { deleted: true as const } : { deleted: false as const, record: role };
  const records = [unmarked("role_gone"), unmarked("role_there")];
  const { step } = await take(findEndedRoles, "ended_role", records, { readRole });
  expect(step.jobs?.map(({ clerk_id }) => clerk_id)).toEqual(["role_gone"]);
  expect(step).toMatchObject({ phase: "settle", marks: ["role_there"] });
});

test("a step goes on where it ended, and the next phase begins from the first", async () => {
  const going = await take(
    findEndedRoles,
    "ended_role",
    [unmarked("role_1")],
    { readRole: isGone },
    { next: ["", "role_1"] },
  );
  expect(going.step).toMatchObject({ cursor: { organization: "", id: "role_1" } });
  expect(going.step).not.toHaveProperty("phase");
  const empty = await take(findEndedOrganizations, "ended_organization", [], {});
  expect(empty.step).toEqual({ phase: "ended_membership", cursor: {} });
});
