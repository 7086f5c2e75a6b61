import type { JobSummary } from "../contract/jobs.ts";
import type { VerdictCode } from "../contract/users.ts";
import { codeOf } from "../job-words.ts";
import type { UserFacts } from "./user-facts.ts";

/** When a verdict holds: true, or the job that tells more. */
type UserRule = {
  code: VerdictCode;
  inStep?: boolean;
  when: (facts: UserFacts) => JobSummary | boolean | undefined;
};

const pastDueMilliseconds = 60_000;

/** As clerk_sync.latest_version: how far ahead of our clock a time of Clerk's is believed. */
const believedAheadMilliseconds = 300_000;

/** What is in the queue. It comes first: a difference is no fault while the work for it is being done. */
const queueRules: readonly UserRule[] = [
  { code: "dead_letter", when: ({ jobs }) => findOpenDeadLetter(jobs) },
  { code: "delete_brake", when: ({ jobs }) => findPending(jobs, "delete_brake") },
  { code: "circuit_open", when: ({ jobs }) => jobs.find((job) => job.waits_for !== null && isOpen(job)) },
  { code: "waiting_retry", when: ({ jobs }) => jobs.find((job) => job.status === "FAILED") },
  {
    code: "queue_late",
    when: ({ jobs, now }) =>
      jobs.find((job) => job.status === "PENDING" && Date.parse(job.run_at) < now - pastDueMilliseconds),
  },
  { code: "auth_adopting", when: ({ jobs }) => findPending(jobs, "auth_adopting") },
  {
    code: "under_way",
    when: ({ jobs }) => jobs.find((job) => job.status === "PENDING" || job.status === "PROCESSING"),
  },
  // The sync reads this user again several times. It cannot help while two users have the address at Clerk.
  {
    code: "email_held",
    when: ({ clerk, users }) => Boolean(clerk.values.email) && users.state === "present" && users.values.email === null,
  },
  { code: "refresh_due", when: ({ state }) => Boolean(state?.refresh_due_at) },
  {
    code: "cancelled",
    when: ({ jobs: [newest], users, clerk }) =>
      users.state === "absent" && clerk.state !== "absent" && newest?.status === "CANCELLED" && newest,
  },
];

/** Clerk has answered that there is no such user. */
const absentRules: readonly UserRule[] = [
  { code: "row_not_at_clerk", when: (facts) => facts.clerk.state === "absent" && !isGone(facts) },
  { code: "auth_left_over", when: ({ clerk, auth }) => clerk.state === "absent" && auth.state === "present" },
  {
    code: "unknown_user",
    inStep: true,
    when: ({ clerk, state, jobs }) => clerk.state === "absent" && state === null && jobs.length === 0,
  },
  { code: "deleted", inStep: true, when: ({ clerk }) => clerk.state === "absent" },
];

/** Clerk has answered with the user. */
const presentRules: readonly UserRule[] = [
  { code: "tombstone", when: (facts) => isGoneHere(facts) && Boolean(facts.state?.deleted_at) },
  { code: "never_delivered", when: (facts) => isGoneHere(facts) && facts.jobs.length === 0 },
  { code: "row_missing", when: isGoneHere },
  { code: "version_ahead", when: ({ difference }) => difference?.kind === "ahead" },
  { code: "stale", when: ({ difference }) => difference?.kind === "stale" || difference?.kind === "pending" },
  { code: "row_differs", when: ({ difference }) => difference?.kind === "differs" },
  { code: "edited", inStep: true, when: ({ difference }) => difference?.kind === "edited" },
];

/** Clerk did not answer, or it is not asked. */
const silentRules: readonly UserRule[] = [
  {
    code: "version_ahead",
    when: (facts) =>
      facts.clerk.state !== "present" &&
      !isGone(facts) &&
      (facts.state?.version ?? 0) > facts.now + believedAheadMilliseconds,
  },
  { code: "clerk_unanswered", when: ({ clerk }) => clerk.state === "unknown" },
  {
    code: "never_seen",
    when: ({ clerk, users, state, jobs }) =>
      clerk.state === "off" && users.state === "absent" && state === null && jobs.length === 0,
  },
  {
    code: "deleted",
    inStep: true,
    when: (facts) => facts.clerk.state === "off" && isGone(facts) && Boolean(facts.state?.deleted_at),
  },
  { code: "row_missing", when: (facts) => facts.clerk.state === "off" && isGone(facts) },
];

/** The row is right, or nothing contradicts it. What is left is Supabase Auth. */
const authRules: readonly UserRule[] = [
  { code: "auth_unanswered", when: ({ auth }) => auth.state === "unknown" },
  {
    code: "auth_skipped",
    inStep: true,
    when: ({ auth, users }) =>
      auth.state === "absent" && users.state === "present" && !users.values.email && !users.values.phone,
  },
  { code: "auth_missing", when: ({ auth, users }) => auth.state === "absent" && users.state === "present" },
  {
    code: "auth_address_held",
    when: ({ auth, state }) => auth.state === "present" && state?.auth_finding === "auth_address_held",
  },
  {
    code: "auth_behind",
    // Users may edit their name here. Without Clerk's answer an edited name looks like a mirror that is behind.
    when: ({ auth, clerk, difference, differences, nameColumn }) =>
      auth.state === "present" &&
      (difference?.kind === "unmirrored" ||
        differences.some((name) => name !== nameColumn || clerk.state === "present")),
  },
];

/** Why a user is missing or stale, the most certain and most urgent first. */
export const userRules: readonly UserRule[] = [
  ...queueRules,
  ...absentRules,
  ...presentRules,
  ...silentRules,
  ...authRules,
];

function isGone({ users, isRowKept }: UserFacts): boolean {
  return users.state === "absent" || isRowKept;
}

function isGoneHere(facts: UserFacts): boolean {
  return facts.clerk.state === "present" && isGone(facts);
}

function isOpen({ status }: JobSummary): boolean {
  return status === "PENDING" || status === "PROCESSING" || status === "FAILED";
}

function findPending(jobs: readonly JobSummary[], code: string): JobSummary | undefined {
  return jobs.find((job) => job.status === "PENDING" && codeOf(job.error) === code);
}

/** The newest dead letter, unless a later job was completed: that job did the work. */
function findOpenDeadLetter(jobs: readonly JobSummary[]): JobSummary | undefined {
  const newest = jobs.find(({ status }) => status === "DEAD" || status === "COMPLETED");
  return newest?.status === "DEAD" ? newest : undefined;
}
