import type { JobSummary } from "../contract/jobs.ts";
import type { UserState, VerdictCode } from "../contract/users.ts";
import type { StoredUser } from "../database.ts";
import { explainError, nameService } from "../job-words.ts";
import type { UserFacts } from "./user-facts.ts";

// What the API, the page and the command line say about one user.

/** `job` is the one that the verdict names. */
type Facts = UserFacts & { job: JobSummary | null };
type Text = string | ((facts: Facts) => string);
type VerdictWords = { title: string; what: Text; remedy: Text };

const nothingToDo = "You need to do nothing.";

/** Each remedy says first what to do first. When each verdict holds: user-rules.ts, in the same order. */
export const verdictWords: Readonly<Record<VerdictCode, VerdictWords>> = {
  in_step: { title: "In sync", what: describeInSync, remedy: nothingToDo },

  dead_letter: {
    title: "A job failed for good",
    what: ({ job }) =>
      `${explainError(job?.error).what} A job of this user failed for good after ${countAttempts(job)}${job?.error ? `: ${endSentence(job.error)}` : "."}`,
    remedy: ({ job }) => explainError(job?.error).remedy,
  },
  delete_brake: {
    title: "The deletion is held back",
    what: ({ brake }) =>
      `The delete brake holds back the deletion of this user: ${endSentence(brake.reason ?? "too many users were deleted within a short time")}`,
    remedy: explainError("delete_brake").remedy,
  },
  circuit_open: {
    title: "A service does not work",
    what: describeCircuit,
    remedy:
      "Check the service. The job continues when calls succeed again. If a key was wrong, correct it, then reset the circuit: the job is tried immediately.",
  },
  waiting_retry: {
    title: "An attempt failed",
    what: ({ job }) =>
      `Attempt ${job?.attempts} of ${job?.max_attempts} has failed: ${endSentence(job?.error ?? "no error was recorded")} The next one is due at ${job?.run_at}.`,
    remedy: "Wait: the job is tried again automatically. If the cause is already gone, retry the job now.",
  },
  queue_late: {
    title: "No worker takes the jobs",
    what: ({ job }) => `A job of this user has been due since ${job?.run_at}, and no worker has taken it.`,
    remedy: "Check on the Overview page whether a worker runs. On Supabase, check the schedule with clerk-sync doctor.",
  },
  auth_adopting: {
    title: "An Auth user is being taken over",
    what: ({ job }) =>
      `Another user of Supabase Auth holds the address and is being taken over (AUTH_ADOPT). That user is locked until ${job?.run_at}, when the last token has expired.`,
    remedy: nothingToDo,
  },
  under_way: {
    title: "Being applied",
    what: "A change of this user is being applied right now.",
    remedy: "Look again in a moment.",
  },
  email_held: {
    title: "Another row holds the address",
    what: ({ emailHolder }) =>
      emailHolder === null
        ? "Clerk has an address for this user, but the row has none. A row without a Clerk id holds it, or it was removed here."
        : `Clerk has an address for this user, but it is held by the row of ${emailHolder}, which has the better claim (verified, or newer).`,
    remedy: ({ emailHolder, table }) =>
      emailHolder === null
        ? `In Supabase's Table Editor, find the row of ${table} with this address. Give it this user's Clerk id, or remove its address. Then resync this user.`
        : `Resync both users, ${emailHolder} first. Both are read again from Clerk's API, and the user who has the address there gets it.`,
  },
  refresh_due: {
    title: "Waiting to be read from Clerk",
    what: ({ state }) =>
      `This user will be read again from Clerk's API (reason: ${state?.refresh_reason ?? "requested"}).`,
    remedy: ({ clerk }) =>
      clerk.state === "off"
        ? "Set CLERK_SECRET_KEY. Without it, no user can be read from Clerk's API."
        : "Look again in a moment: the next worker reads the user.",
  },
  cancelled: {
    title: "A job was cancelled",
    what: "A person cancelled the newest job of this user, and there is no row.",
    remedy: "If that was a mistake, retry the job or resync the user.",
  },

  row_not_at_clerk: {
    title: "Clerk does not have this user",
    what: "There is a row, but Clerk does not have this user. Either the deletion was never received, or the row belongs to another Clerk instance.",
    remedy:
      "Check that CLERK_SECRET_KEY belongs to the right instance. Then resync the user: the row is deleted like that of every deleted user.",
  },
  auth_left_over: {
    title: "Still in Supabase Auth",
    what: "The user is deleted at Clerk and here, but Supabase Auth still has the user.",
    remedy: "Resync the user. The user is then deleted in Supabase Auth as well.",
  },
  unknown_user: {
    title: "No such user",
    what: "Neither Clerk nor this project knows this id.",
    remedy: "Check the id. Check that CLERK_SECRET_KEY belongs to the Clerk instance where the user signed up.",
  },
  deleted: {
    title: "Deleted",
    what: ({ clerk, state }) =>
      clerk.state === "off"
        ? `Clerk reported that this user was deleted at ${state?.deleted_at}.`
        : `The user is deleted at Clerk and here${state?.deleted_at ? ` since ${state.deleted_at}` : ""}.`,
    remedy: nothingToDo,
  },

  tombstone: {
    title: "Deleted here, but not at Clerk",
    what: ({ state }) =>
      `Clerk has this user, but it reported that the user was deleted at ${state?.deleted_at}. No event revives a deleted user.`,
    remedy: "Resync the user. Only a fresh read from Clerk's API brings a deleted user back.",
  },
  never_delivered: {
    title: "No event arrived",
    what: "Clerk has this user, but no event of this user ever arrived.",
    remedy:
      "Resync the user. Then find out in Clerk's dashboard (Webhooks, the endpoint) why the event was not delivered. If more users are missing, start a backfill.",
  },
  row_missing: {
    title: "The row was deleted here",
    what: "Events of this user were applied, but there is no row: it was deleted in the database.",
    remedy: ({ clerk }) =>
      clerk.state === "off"
        ? "Set CLERK_SECRET_KEY and resync the user, or replay an event of this user in Clerk's dashboard."
        : "Resync the user. The row is written again.",
  },
  version_ahead: {
    title: "A change did not come from Clerk",
    what: ({ clerk, users }) => {
      const known =
        clerk.state === "present"
          ? `Clerk's newest change is of ${clerk.values.updated_at}`
          : "that time is in the future";
      return `A change of ${users.values.updated_at} was applied, but ${known}. So the change did not come from Clerk: a webhook secret leaked, or a clock was wrong.`;
    },
    remedy: ({ clerk }) =>
      clerk.state === "present"
        ? "Resync the user: the values of Clerk are written again. Then change the webhook's secret and look for other such users, as docs/secret-leaked.md explains."
        : "Set CLERK_SECRET_KEY and resync the user. Otherwise the next event of this user corrects it. docs/secret-leaked.md explains how to find other such users.",
  },
  stale: {
    title: "A change at Clerk has not arrived",
    what: ({ clerk, users }) =>
      `Clerk's newest change is of ${clerk.values.updated_at}, but the newest change applied here is of ${users.values.updated_at ?? "no known time"}. The event has not arrived.`,
    remedy:
      "Resync the user. Then find out in Clerk's dashboard (Webhooks, the endpoint) why the event was not delivered.",
  },
  row_differs: {
    title: "The row was edited here",
    what: ({ differences }) =>
      `The newest change was applied, but the row has other values (${differences.join(", ")}). They were edited here.`,
    remedy: "Resync the user. The values of Clerk are written again.",
  },
  edited: {
    title: "In sync, except for what the user edited",
    what: ({ differences }) =>
      `Everything is in sync except ${differences.join(", ")}, which users may edit here themselves.`,
    remedy: `${nothingToDo} A resync writes the values of Clerk again.`,
  },

  clerk_unanswered: {
    title: "Not known: Clerk did not answer",
    what: ({ clerk }) => `It is not known whether this user is in sync. ${clerk.reason ?? ""}`,
    remedy:
      "Ask again. If Clerk's API still does not answer, check CLERK_SECRET_KEY, CLERK_API_URL and status.clerk.com.",
  },
  never_seen: {
    title: "No event arrived, and Clerk was not asked",
    what: "No event of this user was ever received. Clerk's API was not asked, because CLERK_SECRET_KEY is not set.",
    remedy:
      "Find the user in Clerk's dashboard. Look under Webhooks, the endpoint, Message Attempts for the event, and replay it.",
  },

  auth_unanswered: {
    title: "Not known: Supabase Auth did not answer",
    what: ({ auth }) => `The row is right, but the state of Supabase Auth is not known. ${auth.reason ?? ""}`,
    remedy: "Ask again. If Supabase Auth still does not answer, check SUPABASE_URL and the secret key.",
  },
  auth_skipped: {
    title: "In sync, without Supabase Auth",
    what: "The row is right. Supabase Auth has no users without an address or a number.",
    remedy: nothingToDo,
  },
  auth_missing: {
    title: "Missing in Supabase Auth",
    what: "The row is right, but Supabase Auth does not have the user. Either the user was deleted there, or the mirror was off when the user came.",
    remedy: "Resync the user. The user is created there again.",
  },
  auth_address_held: {
    title: "Another Auth user holds the address",
    what: "The row is right. But another user of Supabase Auth holds the address or number, so this user has a placeholder there.",
    remedy:
      "In Supabase's dashboard, Authentication, Users, find the user with this address or number. Delete that user or change the address there. Then resync this user. If the dashboard shows no such user, look in auth.identities and auth.users: an identity of another user, another audience, or an address with capital letters holds it. AUTH_ADOPT=on takes over such users before they have a mirror.",
  },
  auth_behind: {
    title: "Supabase Auth is behind",
    what: ({ differences }) =>
      `The row is right, but Supabase Auth has other values (${differences.join(", ") || "an older version"}).`,
    remedy: "Resync the user. The mirror is written again.",
  },
};

/** Why a place is as it is, when it gives no reason of its own. */
export const placeWords = {
  clerkAbsent: "Clerk has no such user.",
  clerkOff: "CLERK_SECRET_KEY is not set.",
  rowAbsent: "There is no row.",
  rowKept: "The user is deleted, and the row is kept (deleted_at is set).",
  authAbsent: "Supabase Auth has no such user.",
  authOff: "AUTH_MIRROR is off, or Supabase Auth is not configured.",
} as const;

/** Returns which row was not linked to the user, and what to do; null when there is none. */
export function explainUnlinked({
  clerk_id,
  table,
  row,
  state,
}: Pick<StoredUser, "clerk_id" | "table" | "row" | "state">): string | null {
  const unlinked = state?.unlinked_row ?? null;
  if (unlinked === null) return null;
  const own = row === null ? "the user's row" : `row ${row.id}, which is the user's`;
  return (
    `Row ${unlinked} of ${table} has the address of this user and no Clerk id. ` +
    `It was not linked, because rows of other tables may reference ${own}. ` +
    `clerk-sync users link ${clerk_id} --row ${unlinked} shows what belongs to each row, and links row ${unlinked}.`
  );
}

/** Returns which columns did not take what Clerk has, and why; null when all did. */
export function explainIgnored(state: Pick<UserState, "ignored"> | null): string | null {
  const found = Object.entries(state?.ignored ?? {}).map(([column, kind]) => {
    const reason =
      kind === "text" ? "a text that is not among the allowed values" : `of the type ${kind}, and not a text`;
    return `The column ${column} ignores what Clerk has: it is ${reason}. The column has its default.`;
  });
  return found.length === 0 ? null : found.join(" ");
}

function describeInSync({ clerk, auth, table }: Facts): string {
  const known =
    clerk.state === "present" ? `Clerk and ${table} agree` : "Everything that Clerk sent about this user was applied";
  return auth.state === "present" ? `${known}, and Supabase Auth has the same values.` : `${known}.`;
}

function endSentence(text: string): string {
  return text.endsWith(".") ? text : `${text}.`;
}

function countAttempts(job: JobSummary | null): string {
  return job?.attempts === 1 ? "1 attempt" : `${job?.attempts} attempts`;
}

function describeCircuit({ circuits, job }: Facts): string {
  const waitsFor = job?.waits_for ?? "";
  const circuit = circuits.find(({ name }) => name === waitsFor);
  const cause = circuit?.last_error ? ` (${circuit.last_error})` : "";
  const probe = circuit?.next_probe ? ` The next try is at ${circuit.next_probe}.` : "";
  return `${nameService(waitsFor)} does not work${cause}, so jobs wait for it.${probe}`;
}
