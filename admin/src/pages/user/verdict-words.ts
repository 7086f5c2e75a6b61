import type { User, Verdict } from "#core/admin/contract/users.ts";
import type { IconName } from "../../components/icon.tsx";
import { formatTime } from "../../format-time.ts";

/** role: what somebody should mend is an alert; what is well, or changes by itself, is told politely. */
export type VerdictWords = { title: string; icon: IconName; color: string; role: "alert" | "status" };

const inStep: VerdictWords = { title: "In step", icon: "check", color: "teal", role: "status" };
const outOfStep: VerdictWords = { title: "Out of step", icon: "warning", color: "orange", role: "alert" };
const onItsWay: VerdictWords = { title: "On its way", icon: "info", color: "blue", role: "status" };
const notKnown: VerdictWords = { title: "Not known", icon: "warning", color: "orange", role: "alert" };

/** What has words of its own; all else is in step or out of step. Codes: core user-rules.ts, place-rules.ts. */
const words: Readonly<Record<string, VerdictWords>> = {
  under_way: onItsWay,
  refresh_due: onItsWay,
  unknown_user: { title: "Nobody has this id", icon: "info", color: "blue", role: "status" },
  deleted: { title: "Deleted, and in step", icon: "check", color: "teal", role: "status" },
  clerk_unanswered: notKnown,
  auth_unanswered: notKnown,
};

/** What is wrong, in few words. */
const faults: Readonly<Record<string, string>> = {
  dead_letter: "a job gave up",
  delete_brake: "the deletion is held back",
  circuit_open: "a service does not work",
  waiting_retry: "an attempt failed",
  queue_late: "nobody works on the queue",
  email_held: "the address is another's",
  cancelled: "a person cancelled the job",
  row_not_at_clerk: "here, and not at Clerk",
  auth_left_over: "left over in Supabase Auth",
  tombstone: "deleted here, and not at Clerk",
  never_delivered: "no event ever came",
  never_seen: "never heard of",
  row_missing: "the row was deleted here",
  version_ahead: "not of Clerk",
  stale: "a change at Clerk has not come",
  row_differs: "the row was edited here",
  auth_missing: "missing in Supabase Auth",
  auth_behind: "Supabase Auth is behind",
};

export function describeVerdict({ code, in_step }: Verdict): VerdictWords {
  if (Object.hasOwn(words, code)) return words[code] ?? outOfStep;
  if (in_step) return inStep;
  return Object.hasOwn(faults, code) ? { ...outOfStep, title: `Out of step: ${faults[code]}` } : outOfStep;
}

/** Whether it changes by itself within moments. */
export function isOnItsWay({ code }: Verdict): boolean {
  return words[code] === onItsWay;
}

/** A remedy on another page; isFirst: it is the one that mends. */
type Elsewhere = { to: string; text: string; isFirst: boolean };

const elsewhere: Readonly<Record<string, Elsewhere>> = {
  delete_brake: { to: "/#brake", text: "Decide at the delete brake", isFirst: true },
  circuit_open: { to: "/#circuits", text: "See the circuit", isFirst: false },
  queue_late: { to: "/", text: "See whether a worker runs", isFirst: true },
  never_delivered: { to: "/reconcile", text: "Start a backfill", isFirst: false },
};

/** Where the remedy is carried out when neither a retry nor a resync is it. */
export function findElsewhere(code: string): Elsewhere | null {
  return Object.hasOwn(elsewhere, code) ? (elsewhere[code] ?? null) : null;
}

const isoTime = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)/g;

/** The text with its times as the rest of the page shows them. */
export function withReadableTimes(text: string): string {
  return text.replace(isoTime, formatTime);
}

/** Other users whom the verdict names, as the one who holds the address. */
export function findOtherUsers({ clerk_id, verdict }: Pick<User, "clerk_id" | "verdict">): string[] {
  const named = `${verdict.what} ${verdict.remedy}`.match(/\buser_[A-Za-z0-9]+/g) ?? [];
  return [...new Set(named)].filter((id) => id !== clerk_id);
}

/** Whether a resync takes the user away here: Clerk has answered that it does not have them. */
export function removesByResync({ clerk, users, auth }: Pick<User, "clerk" | "users" | "auth">): boolean {
  return clerk.state === "absent" && (users.state === "present" || auth.state === "present");
}
