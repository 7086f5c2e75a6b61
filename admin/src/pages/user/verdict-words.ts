import type { User, Verdict } from "#core/admin-users-contract.ts";
import type { IconName } from "../../components/icon.tsx";
import { formatTime } from "../../format-time.ts";

export type VerdictWords = { title: string; icon: IconName; color: string };

const inStep: VerdictWords = { title: "In step", icon: "check", color: "teal" };
const outOfStep: VerdictWords = { title: "Out of step", icon: "warning", color: "orange" };
const onItsWay: VerdictWords = { title: "On its way", icon: "info", color: "blue" };
const notKnown: VerdictWords = { title: "Not known", icon: "warning", color: "orange" };

/** What has words of its own; all else is in step or out of step. Codes: core user-rules.ts, place-rules.ts. */
const words: Readonly<Record<string, VerdictWords>> = {
  under_way: onItsWay,
  refresh_due: onItsWay,
  unknown_user: { title: "Nobody has this id", icon: "info", color: "blue" },
  deleted: { title: "Deleted, and in step", icon: "check", color: "teal" },
  clerk_unanswered: notKnown,
  auth_unanswered: notKnown,
};

export function describeVerdict({ code, in_step }: Verdict): VerdictWords {
  if (Object.hasOwn(words, code)) return words[code] ?? outOfStep;
  return in_step ? inStep : outOfStep;
}

/** Where the remedy is carried out when neither a retry nor a resync is it. */
const elsewhere: Readonly<Record<string, { to: string; text: string }>> = {
  delete_brake: { to: "/", text: "Decide at the delete brake" },
  circuit_open: { to: "/", text: "See the circuit" },
  queue_late: { to: "/", text: "See whether a worker runs" },
  never_delivered: { to: "/reconcile", text: "Start a backfill" },
};

export function findElsewhere(code: string): { to: string; text: string } | null {
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
