import type { HistoryEntry } from "#core/admin/contract/jobs.ts";

/** A step of a job's history in words; place 0 is its beginning, `before` the step before it. */
export function describeStep({ status, attempt, by }: HistoryEntry, place: number, before?: HistoryEntry): string {
  if (place === 0) return status === "DEAD" ? "Received, and put aside at once" : "Received and queued";
  if (by !== undefined && status === before?.status && attempt === before.attempt) return "Changed";
  const words: Record<HistoryEntry["status"], string> = {
    PENDING: attempt === 0 ? "Queued again, from the start" : "Waits",
    PROCESSING: `Attempt ${attempt} began`,
    COMPLETED: attempt > 0 ? `Done, at attempt ${attempt}` : "Done",
    FAILED: `Attempt ${attempt} failed`,
    DEAD: `Gave up after attempt ${attempt}`,
    CANCELLED: "Cancelled",
  };
  return words[status];
}
