import type { AuditEntry } from "#core/admin/contract/overview.ts";
import { actionWords, kindWords } from "./filter-names.ts";

/** What happened, in words: what an operator did, or of which kind it is. */
export function describeEntry({ kind, code }: Pick<AuditEntry, "kind" | "code">): string {
  const action = kind === "operator_action" && Object.hasOwn(actionWords, code) ? actionWords[code] : undefined;
  return action ?? kindWords[kind] ?? kind;
}

/** The API answers minute by minute; within one, what happened last stands first. */
export function newestFirst(entries: readonly AuditEntry[]): AuditEntry[] {
  return entries.toSorted((one, other) => Date.parse(other.last_at) - Date.parse(one.last_at));
}
