import type { CallFunction } from "../database/database.ts";
import type { Program } from "../database/program.ts";
import { type ErrorCode, errorCode, errorMessage, SyncError } from "../errors.ts";
import { inTime } from "../http/async.ts";
import { logger } from "../logger.ts";
import { type Health, judgeFailure, judgeHealth, judgeRefusal } from "./judge-health.ts";

/** Says how the sync is; never throws, and never takes longer than the time it was given. */
export type ReadHealth = () => Promise<Health>;

export type ReadHealthOptions = {
  call: CallFunction;
  /** What asks: its mapping is judged too. */
  program?: Program;
  /** Unix milliseconds. */
  now: () => number;
  /** Why the events that came to this process were not stored; null when they were. See watch-stores.ts. */
  refusal?: () => ErrorCode | null;
  /** How long a caller waits for the database. */
  timeoutMilliseconds?: number;
  /** How long an answer is given to others who ask. */
  shareMilliseconds?: number;
};

/** A read that has not ended by then is given up: another may be tried beside it. */
const abandonMilliseconds = 10_000;

/**
 * Makes the reading of the health for callers nobody has checked: however many ask, the database is asked once in
 * shareMilliseconds, and not again while it is still busy with the last question.
 */
export function createReadHealth(options: ReadHealthOptions): ReadHealth {
  const { now, timeoutMilliseconds = 2500, shareMilliseconds = 1000 } = options;
  let reading: { answer: Promise<Health>; startedAt: number; endedAt: number | null } | null = null;
  const start = () => {
    const current = { answer: ask(options), startedAt: now(), endedAt: null as number | null };
    void current.answer.then(() => {
      current.endedAt = now();
    });
    return current;
  };
  return () => {
    if (reading === null || isOver(reading, now(), shareMilliseconds)) reading = start();
    return inTime(reading.answer, timeoutMilliseconds, () => tellLate(timeoutMilliseconds));
  };
}

function isOver(reading: { startedAt: number; endedAt: number | null }, now: number, share: number): boolean {
  return reading.endedAt === null ? now - reading.startedAt > abandonMilliseconds : now - reading.endedAt >= share;
}

async function ask({ call, program, refusal = () => null }: ReadHealthOptions): Promise<Health> {
  try {
    return judgeRefusal(
      judgeHealth(await call("clerk_sync_health", program === undefined ? {} : { p_program: program })),
      refusal(),
    );
  } catch (error) {
    logger.error("health.unknown", { code: errorCode(error) });
    if (!(error instanceof SyncError)) logger.error("health.failed", { error: errorMessage(error) });
    return judgeFailure(error);
  }
}

function tellLate(timeoutMilliseconds: number): Health {
  const message = `The database did not answer within ${timeoutMilliseconds} ms.`;
  return judgeFailure(new SyncError("database_unavailable", message));
}
