import type { HistoryEntry } from "#core/admin-jobs-contract.ts";

/** A step of a job's history in words; place 0 is its beginning. */
export function describeStep({ status, attempt }: HistoryEntry, place: number): string {
  if (place === 0) return status === "DEAD" ? "Received, and put aside at once" : "Received and queued";
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
