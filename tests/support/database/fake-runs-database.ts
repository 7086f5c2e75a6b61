import type { ClerkApi } from "../../../supabase/functions/_shared/clerk-sync/clerk/clerk-api.ts";
import type { ClerkRecordsApi } from "../../../supabase/functions/_shared/clerk-sync/clerk/clerk-records-api.ts";
import type { PageUser, UserPage } from "../../../supabase/functions/_shared/clerk-sync/clerk/parse-page.ts";
import { parsePage } from "../../../supabase/functions/_shared/clerk-sync/clerk/parse-page.ts";
import { noRecords } from "../../../supabase/functions/_shared/clerk-sync/config/mapping.ts";
import type {
  JobsState,
  Run,
  RunKind,
  RunStep,
  RunsDatabase,
  TakeOptions,
} from "../../../supabase/functions/_shared/clerk-sync/reconcile/runs-database.ts";
import type { SliceDependencies } from "../../../supabase/functions/_shared/clerk-sync/reconcile/walk-run.ts";
import { rootFields } from "../clerk/root-fields.ts";

/** A run that has just begun. */
export function newRun(kind: RunKind, changes: Partial<Run> = {}): Run {
  const time = "2026-01-01T00:00:00Z";
  return {
    id: "run-1",
    kind,
    status: "RUNNING",
    applies: true,
    columns: null,
    sources: null,
    phase: "check",
    cursor: {},
    counts: {},
    steps: 0,
    users_at_clerk: null,
    error: null,
    started_at: time,
    updated_at: time,
    finished_at: null,
    lease_until: time,
    ...changes,
  };
}

/** Runs as walkSlice sees them: one open run at most, and everything that is asked is on record. */
export function createFakeRuns(open: Run | null) {
  const state = {
    open,
    openJobs: 0,
    isHeld: true,
    failures: [] as Error[],
    jobs: { users: 0, due: 0, retrying: 0, held: 0, dead: 0 } as JobsState,
    taken: [] as TakeOptions[],
    steps: [] as RunStep[],
    ends: [] as unknown[],
  };
  const runs: RunsDatabase = {
    take: async (options) => {
      state.taken.push(options);
      const outcome = state.open === null ? "started" : "resumed";
      if (state.open === null && options.kind !== null) state.open = newRun(options.kind, { applies: options.applies });
      if (state.open === null) return { outcome: "none" };
      return { outcome, run: state.open, token: "token-1", read_at: "2026-01-01T00:00:00Z", mirrors: false };
    },
    advance: async (_, __, { number, ...step }) => {
      const failure = state.failures.shift();
      if (failure !== undefined) throw failure;
      if (!state.isHeld || state.open === null) return { held: false };
      state.steps.push(step);
      const { phase = state.open.phase, cursor = state.open.cursor } = step;
      state.open = { ...state.open, phase, cursor, steps: number ?? state.open.steps };
      return { held: true, run: state.open, read_at: "2026-01-01T00:00:01Z", open_jobs: state.openJobs };
    },
    end: async (_, __, end) => {
      state.ends.push(end);
      if (end.status !== "RUNNING") state.open = null;
      return state.isHeld;
    },
    cancel: async () => null,
    compareUsers: async () => [],
    compareColumns: async (users) => users.map(({ clerk_id }) => ({ clerk_id, does: "fill" as const })),
    compareRecords: async () => ({ seen: 0, found: [] }),
    unmarkedRecords: async () => ({ records: [], next: null }),
    unmarkedUsers: async () => ({ clerk_ids: [], foreign: [], next: null }),
    compareAuthUsers: async () => ({ mirrors: [], found: [] }),
    unlistedAuthUsers: async () => ({ users: [], held: [], next: null }),
    countUnmarked: async () => ({ users: 0, unmarked: 0, several: false }),
    sampleUsers: async () => [],
    jobsState: async () => state.jobs,
  };
  return { state, runs };
}

/** A page of these users. */
export function pageOf(...ids: string[]): UserPage {
  return parsePage(
    ids.map((id, place) => ({ id, created_at: 1_763_900_000_000 + place, updated_at: 1_763_900_000_000 })),
  );
}

/** Clerk's API with these users, one page after another. */
export function createFakeClerk(pages: UserPage[], changes: Partial<ClerkApi> = {}): ClerkApi {
  const users: PageUser[] = pages.flatMap((page) => page.users);
  const left = [...pages];
  return {
    readUser: async () => ({ deleted: true }),
    listUsers: async () => left.shift() ?? pageOf(),
    listRecentlyUpdated: async () => left.shift() ?? pageOf(),
    readUsers: async () => pageOf(),
    countUsers: async () => users.length,
    ...changes,
  };
}

/** Clerk's API with an instance that has no organizations. */
export function createFakeRecords(changes: Partial<ClerkRecordsApi> = {}): ClerkRecordsApi {
  const empty = async () => ({ records: [], unreadable: [], length: 0, total: 0 });
  return {
    readOrganization: async () => ({ deleted: true }),
    listOrganizations: empty,
    readOrganizations: empty,
    countOrganizations: async () => 0,
    listMemberships: empty,
    countMemberships: async () => 0,
    readMembershipsOf: async () => null,
    listMembershipsOf: async () => null,
    listMembershipsOfUser: async () => null,
    listRoles: empty,
    readRole: async () => ({ deleted: true }),
    listInvitations: empty,
    ...changes,
  };
}

/** Nothing of organizations is stored. */
export const noFakeRecords = { clerk: createFakeRecords(), fields: noRecords };

/** What walks runs, with Clerk's API empty; such a slice never waits. */
export function createFakeSlices(runs: RunsDatabase, changes: Partial<SliceDependencies> = {}): SliceDependencies {
  return {
    runs,
    clerk: createFakeClerk([]),
    records: noFakeRecords,
    fields: rootFields,
    auth: null,
    mostUnknownPercent: 20,
    deletesForeign: false,
    mirrors: true,
    checked: { runId: null },
    withValues: false,
    watcher: {},
    now: () => 0,
    sleep: null,
    ...changes,
  };
}
