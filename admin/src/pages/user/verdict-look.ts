import type { User, Verdict, VerdictCode } from "#core/admin/contract/users.ts";
import type { IconName } from "../../components/icon.tsx";
import { formatTime } from "../../format-time.ts";

// How a verdict looks and where its remedy is. The sentences come from the API: core admin/user/user-words.ts.

/** A verdict that a person should act on is an alert. One that is fine, or changes by itself, is a status. */
export type VerdictLook = { icon: IconName; color: string; role: "alert" | "status" };

const good: VerdictLook = { icon: "check", color: "teal", role: "status" };
const neutral: VerdictLook = { icon: "info", color: "blue", role: "status" };
const bad: VerdictLook = { icon: "warning", color: "orange", role: "alert" };

const changing: readonly VerdictCode[] = ["under_way", "refresh_due"];

export function lookOf({ code, in_step }: Verdict): VerdictLook {
  if (changing.includes(code) || code === "unknown_user") return neutral;
  return in_step ? good : bad;
}

/** Whether the verdict changes by itself within moments. */
export function isChanging({ code }: Verdict): boolean {
  return changing.includes(code);
}

/** A link to the page that has the remedy; isFirst: the remedy is carried out there. */
type Elsewhere = { to: string; text: string; isFirst: boolean };

const elsewhere: Partial<Record<VerdictCode, Elsewhere>> = {
  delete_brake: { to: "/#brake", text: "Decide at the delete brake", isFirst: true },
  circuit_open: { to: "/#circuits", text: "See the circuit", isFirst: false },
  queue_late: { to: "/", text: "See whether a worker runs", isFirst: true },
  never_delivered: { to: "/reconcile", text: "Start a backfill", isFirst: false },
};

/** Where the remedy is when it is neither a retry nor a resync. */
export function findElsewhere(code: VerdictCode): Elsewhere | null {
  return elsewhere[code] ?? null;
}

const isoTime = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)/g;

/** The text with its times as the rest of the page shows them. */
export function withReadableTimes(text: string): string {
  return text.replace(isoTime, formatTime);
}

/** Whether a resync deletes the user here: Clerk has answered that it does not have the user. */
export function removesByResync({ clerk, users, auth }: Pick<User, "clerk" | "users" | "auth">): boolean {
  return clerk.state === "absent" && (users.state === "present" || auth.state === "present");
}
