import type { Difference } from "../compare-user.ts";
import type { SimulationIo } from "../io.ts";
import type { ExpectedRecord } from "./expect-organization.ts";

/** What the database holds of a record; null: it has no row. */
export type StoredRecord = { id: string; row: { [column: string]: string | null } | null; open_jobs: number };

/** Asks the database for some records of a kind; it answers of each, known or not. */
export type AskRecords = (
  kind: ExpectedRecord["kind"],
  ids: readonly string[],
) => Promise<{ value: StoredRecord[] } | { reason: string; retryable: boolean }>;

export type RecordCheck =
  | { state: "checked"; inStep: number; outOfStep: number; differences: Difference[] }
  | { state: "unchecked"; reason: string };

const idsPerCall = 500;
const pauseMilliseconds = 500;
const maxDifferences = 10;

/** Waits until the queue holds nothing more of these records, or time is up, and compares each with its row. */
export async function checkRecords(
  expected: readonly ExpectedRecord[],
  { askRecords, timeoutMs }: { askRecords: AskRecords; timeoutMs: number },
  { clock, onProgress }: Pick<SimulationIo, "clock"> & { onProgress: (inStep: number) => void },
): Promise<RecordCheck> {
  const deadline = clock.now() + timeoutMs;
  for (;;) {
    const round = await askRound(expected, askRecords);
    const isLate = clock.now() >= deadline;
    if ("reason" in round && (isLate || !round.retryable)) return { state: "unchecked", reason: round.reason };
    if ("differing" in round) {
      const { differing, openJobs, differences } = round;
      onProgress(expected.length - differing);
      if (openJobs === 0 || isLate) {
        return {
          state: "checked",
          inStep: expected.length - differing,
          outOfStep: differing,
          differences: differences.slice(0, maxDifferences),
        };
      }
    }
    await clock.sleep(pauseMilliseconds);
  }
}

type Round =
  | { differing: number; openJobs: number; differences: Difference[] }
  | { reason: string; retryable: boolean };

async function askRound(expected: readonly ExpectedRecord[], askRecords: AskRecords): Promise<Round> {
  const found: Difference[][] = [];
  let openJobs = 0;
  for (const kind of ["organization", "membership"] as const) {
    const ofKind = expected.filter((record) => record.kind === kind);
    for (let start = 0; start < ofKind.length; start += idsPerCall) {
      const chunk = ofKind.slice(start, start + idsPerCall);
      const answer = await askRecords(
        kind,
        chunk.map(({ id }) => id),
      );
      if ("reason" in answer) return answer;
      const stored = new Map(answer.value.map((record) => [record.id, record]));
      openJobs += answer.value.reduce((sum, record) => sum + record.open_jobs, 0);
      found.push(...chunk.map((record) => compareRecord(record, stored.get(record.id)?.row ?? null)));
    }
  }
  const differing = found.filter((differences) => differences.length > 0);
  return { differing: differing.length, openJobs, differences: differing.flat() };
}

function compareRecord({ id, row }: ExpectedRecord, stored: StoredRecord["row"]): Difference[] {
  if (row === null || stored === null) {
    const [expected, actual] = [row, stored].map((each) => (each === null ? "none" : "present"));
    return row === stored ? [] : [{ clerkId: id, field: "row", expected: expected ?? null, actual: actual ?? null }];
  }
  return Object.entries(row)
    .filter(([field, value]) => (stored[field] ?? null) !== value)
    .map(([field, value]) => ({ clerkId: id, field, expected: value, actual: stored[field] ?? null }));
}
