import type { UserRecord } from "#core/admin/contract/users.ts";
import { countOf } from "../../count-words.ts";

export type Mark = { text: string; color: string };

/** What is worth a look about a user in a list; nothing for most. */
export function listMarks({ row, state, open_jobs, dead_jobs }: UserRecord): Mark[] {
  const isDeleted = Boolean(state?.deleted_at || row?.deleted_at);
  return [
    ...(row === null && !isDeleted ? [{ text: "no row", color: "red" }] : []),
    ...(isDeleted ? [{ text: "deleted", color: "gray" }] : []),
    ...(state?.unlinked_row ? [{ text: "row not linked", color: "yellow" }] : []),
    ...(dead_jobs > 0 ? [{ text: countJobs(dead_jobs, "dead"), color: "red" }] : []),
    ...(open_jobs > 0 ? [{ text: countJobs(open_jobs, "open"), color: "blue" }] : []),
  ];
}

function countJobs(count: number, kind: string): string {
  return countOf(count, `${kind} job`, `${kind} jobs`);
}
