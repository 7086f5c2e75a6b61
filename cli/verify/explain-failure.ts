import type { Difference } from "../../local/simulate/compare-user.ts";
import type { Outcome } from "../../local/simulate/deliver.ts";
import { keyRefused, type RpcFailure } from "../call-rpc.ts";
import { isHeldByBrake, type Job } from "./job.ts";

/** Where on its way an event was held up or spoiled. */
type Hop = "database" | "answer" | "applied" | "mirrored" | "row" | "auth";

/** What went wrong, in which hop, and what will likely mend it. */
export type Failure = { hop: Hop; what: string; remedy: string };

const runDoctor =
  "Run `clerk-sync doctor` with the same options: it says what is wrong with endpoint, secret and clock.";

const setInstance =
  "The endpoint applies events of CLERK_INSTANCE_ID only: give verify the same, in the environment or by --env-file.";
const nobodyAnswers = "Is the server running, and is the URL right?";

/** The endpoint did not answer what it must. */
export function explainAnswer({ status, text }: Outcome, wanted: string): Failure {
  if (status === "network")
    return { hop: "answer", what: `the webhook did not answer: ${text}`, remedy: nobodyAnswers };
  const remedy = text.includes("Event of another Clerk instance") ? setInstance : runDoctor;
  return { hop: "answer", what: `the webhook answered ${status} ${text}, not ${wanted}`, remedy };
}

/** The database, asked through the API, did not say what became of the event. */
export function explainDatabase({ reason, status, isForeign }: RpcFailure): Failure {
  const usual = "Run `clerk-sync doctor` with the same options: it says whether key and migrations are right.";
  return { hop: "database", what: reason, remedy: remedyFor(isForeign ? null : status) ?? usual };
}

/** Null: nobody answered, or somebody else. */
function remedyFor(status: number | null): string | undefined {
  if (status === null) return nobodyAnswers;
  return status === 401 || status === 403 ? keyRefused : undefined;
}

type Explanation = { when: (job: Job) => boolean; what: (job: Job) => string; remedy: (job: Job) => string };

const explanations: readonly Explanation[] = [
  {
    when: isHeldByBrake,
    what: ({ error }) => `the deletion waits: ${error}`,
    remedy: () =>
      "Apply the deletions if they are meant, cancel them if not: admin page, Overview, Delete brake. In SQL: clerk_sync_release_delete_brake('apply') or ('cancel').",
  },
  {
    when: ({ status }) => status === "PENDING",
    what: () => "is still PENDING",
    remedy: () =>
      "Nobody works through the queue. On Supabase the schedule is to call user-job-processor (`clerk-sync doctor` says what it lacks); on a server of yours the worker must run.",
  },
  {
    when: ({ status }) => status === "PROCESSING",
    what: () => "is still PROCESSING: a worker has it in hand, or died with it",
    remedy: () => "Look at the processor's log; it is freed a minute after its worker took it. --timeout waits longer.",
  },
  {
    when: ({ status }) => status === "FAILED" || status === "DEAD",
    what: ({ status, error }) => `is ${status}: ${error}`,
    remedy: ({ error }) => `docs/errors.md says what \`${error?.split(":")[0]}\` means and what to do.`,
  },
  {
    when: () => true,
    what: ({ status }) => `is ${status}`,
    remedy: () => "Somebody took it out of the queue; run verify again.",
  },
];

/** The job did not come to its end within the time. A null job: the database that was asked does not have it. */
export function explainJob(id: string, job: Job | null, seconds: number): Failure {
  if (job === null) {
    const remedy = "Webhook and secret key belong to different projects: compare --url and --secret-key.";
    return { hop: "database", what: `the queue holds no job ${id}`, remedy };
  }
  const explanation = explanations.find(({ when }) => when(job));
  const what = `job ${id} ${explanation?.what(job)} (attempts: ${job.attempts}, waited ${seconds} s)`;
  // Where the row is written and the job is not completed, it is the mirror that is still owed.
  const hop = job.result?.applied === true ? "mirrored" : "applied";
  return { hop, what, remedy: explanation?.remedy(job) ?? runDoctor };
}

/** The job is completed, and the row is not what the event says. */
export function explainRow(differences: readonly Difference[], table = "the table of users"): Failure {
  const parts = differences.map(
    ({ field, expected, actual }) => `${field} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`,
  );
  const remedy = `Something else writes the row: a trigger of yours on ${table}, or a changed clerk_sync.apply_users.`;
  return { hop: "row", what: parts.join("; "), remedy };
}

/** The job is completed and mirrored, and Supabase Auth says otherwise. */
export function explainAuth(what: string, status?: number | null): Failure {
  const usual =
    "The functions mirror into another project, or a trigger on auth.users interferes: compare SUPABASE_URL.";
  return { hop: "auth", what, remedy: (status === undefined ? undefined : remedyFor(status)) ?? usual };
}
