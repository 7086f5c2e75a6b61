import type { HistoryEntry } from "#core/admin-jobs-contract.ts";
import type { AuditEntry } from "#core/admin-overview-contract.ts";

const codes: Readonly<Partial<Record<HistoryEntry["status"], string>>> = {
  PENDING: "retry_jobs",
  CANCELLED: "cancel_jobs",
};

/** The audit's entry is written in the same transaction, a moment before the history's. */
const apartMilliseconds = 1000;

/**
 * Who retried or cancelled the job by this page, the API or the command line: the names of the audit's entries about
 * this job alone. An action on several jobs is audited under an id of its own, and not found.
 */
export function whoDid({ status, at }: HistoryEntry, audit: readonly AuditEntry[]): string[] {
  const time = Date.parse(at);
  const names = audit
    .filter(({ kind, code }) => kind === "operator_action" && code === codes[status])
    .filter((entry) => Date.parse(entry.at) <= time && time <= Date.parse(entry.last_at) + apartMilliseconds)
    .map(({ source }) => source);
  return [...new Set(names)];
}
