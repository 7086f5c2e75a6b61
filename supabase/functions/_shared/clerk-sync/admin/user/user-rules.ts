import type { JobSummary } from "../contract/jobs.ts";
import { authRules, deletedRules, emailRule, futureRule, isGone, presentRules } from "./place-rules.ts";
import type { UserFacts, UserRule } from "./user-rule.ts";

/** What to do about a dead letter, by what stands before the colon of its error. */
const deadRemedies: Readonly<Record<string, string>> = {
  auth_email_conflict:
    "Another user of Supabase Auth holds this address or number. Remove or change that one in Supabase's dashboard, Authentication, Users; then retry the job.",
  auth_user_failed:
    "Supabase Auth works, but fails for this user. Look for NULL in the token columns of the row in auth.users, and for a trigger there that raises. Correct it, then retry the job.",
  clerk_user_failed:
    "Clerk's API works, but fails for this user. Look the user up in Clerk's dashboard, then retry the job.",
  auth_address_refused:
    "Supabase Auth does not accept this address or number; all else was written there. Correct it at Clerk; its event mirrors the user again.",
  auth_rejected:
    "Supabase Auth refused the user; the error says why. Correct it at Clerk or in Auth, then retry the job.",
  clerk_rejected:
    "Clerk's API refused the request. Check that CLERK_SECRET_KEY belongs to the instance of this user, then retry the job.",
  clerk_unauthorized: "Clerk's API refused the key. Set the right CLERK_SECRET_KEY, then retry the job.",
  auth_unauthorized: "Supabase Auth refused the key. Set the right secret key, then retry the job.",
  user_ambiguous:
    "The deletion names its user by an external_id that several users have, so none was deleted. Find out at Clerk who is gone and resync that user; then cancel the job.",
  user_unknown:
    "The deletion names nobody, so nothing can be deleted by it. Find the user at Clerk and resync them; then cancel the job.",
};

const pastDueMilliseconds = 60_000;

/**
 * Why a user is missing or stale, the most certain and most urgent first. What waits in the queue comes before what the
 * places say: a difference is no fault while the work for it is under way.
 */
export const userRules: readonly UserRule[] = [
  {
    code: "dead_letter",
    when: ({ jobs }) => openDeadLetter(jobs),
    what: (_, job) =>
      `A job of this user has failed for good after ${countAttempts(job)}: ${job?.error ?? "no reason is known"}`,
    remedy: (_, job) => deadRemedies[codeOf(job)] ?? "Correct what the error names, then retry the job.",
  },
  {
    code: "delete_brake",
    when: ({ jobs }) => jobs.find((job) => job.status === "PENDING" && codeOf(job) === "delete_brake"),
    what: ({ brake }) =>
      `The deletion of this user is held back by the delete brake: ${brake.reason ?? "too many deletions at once"}`,
    remedy: () =>
      "Find out whether the deletions are meant, then decide at the delete brake: apply them, or cancel them and keep the users.",
  },
  {
    code: "circuit_open",
    when: ({ jobs }) => jobs.find((job) => job.waits_for !== null && isOpen(job)),
    what: (facts, job) => circuitText(facts, job),
    remedy: () =>
      "When the service answers again the job goes on by itself. Was its key wrong? Correct it, then reset the circuit: the job is tried at once.",
  },
  {
    code: "waiting_retry",
    when: ({ jobs }) => jobs.find((job) => job.status === "FAILED"),
    what: (_, job) =>
      `Attempt ${job?.attempts} of ${job?.max_attempts} has failed: ${job?.error ?? "no reason is known"}. The next one is due at ${job?.run_at}.`,
    remedy: () => "It is tried again by itself. When the cause is gone already, retry the job now.",
  },
  {
    code: "queue_late",
    when: ({ jobs, now }) =>
      jobs.find((job) => job.status === "PENDING" && Date.parse(job.run_at) < now - pastDueMilliseconds),
    what: (_, job) => `A job of this user has been due since ${job?.run_at} and nobody has taken it.`,
    remedy: () => "Does a worker run? Look at the overview; on Supabase, check the schedule with clerk-sync doctor.",
  },
  {
    code: "auth_adopting",
    when: ({ jobs }) => jobs.find((job) => job.status === "PENDING" && codeOf(job) === "auth_adopting"),
    what: (_, job) =>
      `Another user of Supabase Auth holds the address and is taken over (AUTH_ADOPT): that user is locked until ${job?.run_at}, when the last token has run out.`,
    remedy: () => "Nothing is to be done.",
  },
  {
    code: "under_way",
    when: ({ jobs }) => jobs.find((job) => job.status === "PENDING" || job.status === "PROCESSING"),
    what: () => "A change of this user is being applied just now.",
    remedy: () => "Look again in a moment.",
  },
  emailRule,
  {
    code: "refresh_due",
    when: ({ state }) => Boolean(state?.refresh_due_at),
    what: ({ state }) => `This user is to be read again from Clerk's API (${state?.refresh_reason ?? "requested"}).`,
    remedy: ({ clerk }) =>
      clerk.state === "off"
        ? "Set CLERK_SECRET_KEY: without it nothing is read from Clerk's API."
        : "The next worker does it; look again in a moment.",
  },
  {
    code: "cancelled",
    when: ({ jobs, users, clerk }) =>
      users.state === "absent" && clerk.state !== "absent" ? newestIf(jobs, "CANCELLED") : undefined,
    what: () => "The newest job of this user was cancelled by a person, and there is no row.",
    remedy: () => "Was it a mistake? Retry the job, or resync the user.",
  },
  ...deletedRules,
  ...presentRules,
  futureRule,
  {
    code: "clerk_unanswered",
    when: ({ clerk }) => clerk.state === "unknown",
    what: ({ clerk }) =>
      `Clerk's API has not answered, so nobody can say whether this user is in step: ${clerk.reason ?? ""}`,
    remedy: () => "Ask again. If it stays so, check CLERK_SECRET_KEY and CLERK_API_URL, and status.clerk.com.",
  },
  {
    code: "never_seen",
    when: ({ clerk, users, state, jobs }) =>
      clerk.state === "off" && users.state === "absent" && state === null && jobs.length === 0,
    what: () => "No event of this user was ever received, and Clerk cannot be asked: CLERK_SECRET_KEY is not set.",
    remedy: () =>
      "Find the user in Clerk's dashboard; under Webhooks, the endpoint, Message Attempts, see what became of the event, and replay it.",
  },
  {
    code: "deleted",
    inStep: true,
    when: ({ clerk, users, state }) => clerk.state === "off" && isGone(users) && Boolean(state?.deleted_at),
    what: ({ state }) => `Clerk said at ${state?.deleted_at} that this user was deleted.`,
    remedy: () => "Nothing is to be done.",
  },
  {
    code: "row_missing",
    when: ({ clerk, users }) => clerk.state === "off" && isGone(users),
    what: () => "Events of this user were applied, and yet there is no row: it was deleted in the database.",
    remedy: () => "Set CLERK_SECRET_KEY and resync the user, or replay an event of theirs in Clerk's dashboard.",
  },
  ...authRules,
];

function countAttempts(job: JobSummary | null): string {
  return job?.attempts === 1 ? "1 attempt" : `${job?.attempts} attempts`;
}

function isOpen({ status }: JobSummary): boolean {
  return status === "PENDING" || status === "PROCESSING" || status === "FAILED";
}

function codeOf(job: JobSummary | null): string {
  return job?.error?.split(":", 1)[0] ?? "";
}

/** The newest one, unless something that came later was completed: what was owed is done then. */
function openDeadLetter(jobs: readonly JobSummary[]): JobSummary | undefined {
  return jobs.slice(0, lengthUntilCompleted(jobs)).find((job) => job.status === "DEAD");
}

function lengthUntilCompleted(jobs: readonly JobSummary[]): number {
  const place = jobs.findIndex((job) => job.status === "COMPLETED");
  return place === -1 ? jobs.length : place;
}

function newestIf(jobs: readonly JobSummary[], status: JobSummary["status"]): JobSummary | undefined {
  return jobs[0]?.status === status ? jobs[0] : undefined;
}

function circuitText({ circuits }: UserFacts, job: JobSummary | null): string {
  const service = job?.waits_for === "auth" ? "Supabase Auth" : "Clerk's API";
  const circuit = circuits.find(({ name }) => name === job?.waits_for);
  const probe = circuit?.next_probe ? ` It is tried again at ${circuit.next_probe}.` : "";
  return `${service} does not work${circuit?.last_error ? ` (${circuit.last_error})` : ""}, so jobs wait for it.${probe}`;
}
