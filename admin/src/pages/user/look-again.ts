import type { Verdict, VerdictCode } from "#core/admin/contract/users.ts";
import { isChanging } from "./verdict-look.ts";

/** Something was done about the user at this time (Unix milliseconds), when the verdict was this one. */
export type Acted = { at: number; code: VerdictCode };

/** Clerk and Supabase Auth are asked each time; both count their calls. */
const usually = 15_000;
const whileChanging = 5000;
const soon = 1500;
/** By then a worker has done it, or something else is wrong. */
const soonFor = 15_000;

/** After how many milliseconds the user is read again: soon after an action, until what came of it is seen. */
export function lookAgainIn(verdict: Verdict | undefined, acted: Acted | null, now: number): number {
  if (verdict === undefined) return usually;
  const isRecent = acted !== null && now - acted.at < soonFor;
  if (isRecent && (isChanging(verdict) || verdict.code === acted.code)) return soon;
  return isChanging(verdict) ? whileChanging : usually;
}
