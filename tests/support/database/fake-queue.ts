import type { CircuitCalls } from "../../../supabase/functions/_shared/clerk-sync/database/database.ts";
import {
  type Batch,
  type Database,
  databaseError,
  type JobOutcome,
  type MirrorOrder,
  type Read,
  type RunJobsArguments,
  type Settled,
} from "../../../supabase/functions/_shared/clerk-sync/database/database.ts";
import type { Job } from "../../../supabase/functions/_shared/clerk-sync/database/job.ts";
import { mirrorOrder } from "../supabase/mirror-order.ts";

export type FakeJob = {
  id: string;
  status?: Job["status"];
  error?: string | null;
  owesMirror?: boolean;
  /** A refresh: its user is to be read from Clerk's API. */
  owesRead?: boolean;
};
export type Settlement = { token: string; outcomes: readonly JobOutcome[]; calls: readonly CircuitCalls[] };

const statusOfOutcome = {
  completed: "COMPLETED",
  read: "COMPLETED",
  retry: "FAILED",
  dead: "DEAD",
  released: "PENDING",
  waiting: "PENDING",
  locked: "PENDING",
} as const;

type QueueDoor = Omit<
  Database,
  | "enqueue"
  | "mapping"
  | "schemaVersion"
  | "writeFailure"
  | "objectFindings"
  | "isSuperAdmin"
  | "ownRow"
  | "ensureUser"
  | "requestRefresh"
>;

/**
 * The queue as process-queue sees it: each claim hands out the next batch, whose jobs owe the mirror when they say so
 * (and a lease was asked for), and settling gives each of them the status of its outcome.
 */
export function createFakeQueue(batches: readonly (readonly FakeJob[])[], alone: string[] = []) {
  const left = [...batches];
  const claims: RunJobsArguments[] = [];
  const settlements: Settlement[] = [];
  const reads: Read[] = [];
  const state = {
    rescues: 0,
    stale: 0,
    purges: 0,
    /** The next batch is cancelled, until its jobs are set apart; with refusesCalls that fails, too. */
    cancels: false,
    refusesCalls: false,
    apart: [] as number[],
    circuits: [] as Settled["circuits"],
  };
  const database: QueueDoor = {
    runJobs: async (options) => {
      claims.push(options);
      if (state.cancels) throw databaseError("clerk_sync_run_jobs", "57014", { code: "57014" });
      return claim(left.shift() ?? [], claims.length, options);
    },
    applyReads: async (_, given, mirror) => {
      reads.push(...given);
      const status = mirror ? "PROCESSING" : "COMPLETED";
      return {
        jobs: given.map((read) => job(read.job_id, status, null)),
        mirror: mirror ? given.map((read) => orderOf(read.job_id)) : [],
      };
    },
    settleJobs: async (token, outcomes, calls = []) => {
      settlements.push({ token, outcomes, calls });
      const kept = outcomes.slice(state.stale);
      const jobs = kept.map((entry) => job(entry.job_id, statusOfOutcome[entry.outcome], entry.error ?? null));
      return { jobs, stale: state.stale, circuits: state.circuits.splice(0) };
    },
    rescueJobs: async () => {
      state.rescues += 1;
      return 0;
    },
    purgeJobs: async () => {
      state.purges += 1;
      return 0;
    },
    setApart: async (limit) => {
      if (state.refusesCalls) throw databaseError("clerk_sync_set_apart", undefined, {});
      state.apart.push(limit);
      state.cancels = false;
      return 1;
    },
    leaseAlone: async () => {
      const [id] = alone.splice(0, 1);
      const leased = id === undefined ? [] : [id];
      return {
        token: `alone_${id}`,
        jobs: leased.map((name) => job(name, "PROCESSING", null)),
        leased,
        is_large: false,
        reads: [],
      };
    },
    applyAlone: async ({ jobId }, mirror) => ({
      jobs: [job(jobId, mirror ? "PROCESSING" : "COMPLETED", null)],
      mirror: mirror ? [orderOf(jobId)] : [],
    }),
  };
  return { database, claims, settlements, reads, state };
}

function claim(jobs: readonly FakeJob[], number: number, options: RunJobsArguments): Batch {
  const owes = (entry: FakeJob) => entry.owesMirror === true && options.leaseSeconds !== null;
  const isLeased = (entry: FakeJob) => owes(entry) || entry.owesRead === true;
  return {
    token: `token_${number}`,
    jobs: jobs.map((entry) =>
      job(entry.id, isLeased(entry) ? "PROCESSING" : (entry.status ?? "COMPLETED"), entry.error ?? null),
    ),
    reads: jobs
      .filter((entry) => entry.owesRead)
      .map(({ id }) => ({
        job_id: id,
        clerk_id: `user_${id}`,
        kind: "user",
        members: false,
        organization_id: null,
        user_id: null,
        read_at: null,
      })),
    mirror: jobs.filter(owes).map(({ id }) => orderOf(id)),
    alone: false,
  };
}

function orderOf(id: string): MirrorOrder {
  return mirrorOrder({ job_id: id, clerk_id: `user_${id}` });
}

function job(id: string, status: Job["status"], error: string | null): Job {
  return { id, job_type: "USER_UPDATED", status, attempts: 1, error };
}

/** Jobs named prefix0, prefix1, … that owe the mirror. */
export function owing(count: number, prefix = "job"): FakeJob[] {
  return Array.from({ length: count }, (_, index) => ({ id: `${prefix}${index}`, owesMirror: true }));
}
