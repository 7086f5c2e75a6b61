import type { UserRecord } from "#core/admin/contract/users.ts";
import { compareUser, type Difference } from "./compare-user.ts";
import type { ExpectedUser } from "./expect-user.ts";
import type { SimulationIo } from "./io.ts";

/** Whom to look for and what to find. */
export type Expectations = {
  users: number;
  expected: (user: number) => ExpectedUser;
  /** False when none of the user's events was accepted: the database need not know the user. */
  isKnown: (user: number) => boolean;
};

export type RowCheck =
  | { state: "checked"; inStep: number; outOfStep: number; unfinished: number; differences: Difference[] }
  | { state: "unchecked"; reason: string };

/** Asks the database what it holds of some users; it answers of each, known or not. */
export type AskRows = (
  clerkIds: readonly string[],
) => Promise<{ value: UserRecord[] } | { reason: string; retryable: boolean }>;

type CheckOptions = { askRows: AskRows; timeoutMs: number };

type CheckIo = Pick<SimulationIo, "clock"> & { onProgress: (inStep: number) => void };

type Round = { unfinished: number[] } | { reason: string; retryable: boolean };

/** As many ids as one call may carry. */
const idsPerCall = 500;
const shortestPauseMs = 250;
const longestPauseMs = 2_000;
const maxDifferences = 10;

/** Waits until the queue holds nothing more of these users, or time is up, and compares each with its row. */
export async function checkRows(expectations: Expectations, options: CheckOptions, io: CheckIo): Promise<RowCheck> {
  const deadline = io.clock.now() + options.timeoutMs;
  const differences = new Map<number, Difference[]>();
  let unfinished = Array.from({ length: expectations.users }, (_, user) => user);
  for (;;) {
    const start = io.clock.now();
    const round = await askRound(unfinished, { expectations, options, differences });
    const isLate = io.clock.now() >= deadline;
    if ("reason" in round && (isLate || !round.retryable)) return { state: "unchecked", reason: round.reason };
    if ("unfinished" in round) {
      unfinished = round.unfinished;
      io.onProgress(expectations.users - differences.size);
      if (unfinished.length === 0 || isLate) return conclude(expectations.users, differences, unfinished.length);
    }
    // At most half of the time is spent asking, which slows the queue that we wait for.
    const pause = Math.max(shortestPauseMs, Math.min(longestPauseMs, io.clock.now() - start));
    await io.clock.sleep(Math.min(pause, Math.max(0, deadline - io.clock.now())));
  }
}

type RoundContext = {
  expectations: Expectations;
  options: CheckOptions;
  differences: Map<number, Difference[]>;
};

/** Asks once for each of the users, notes how they differ, and answers who still has something in the queue. */
async function askRound(users: readonly number[], context: RoundContext): Promise<Round> {
  const unfinished: number[] = [];
  for (let start = 0; start < users.length; start += idsPerCall) {
    const chunk = users
      .slice(start, start + idsPerCall)
      .map((user) => [user, context.expectations.expected(user)] as const);
    const ids = chunk.map(([, expected]) => expected.clerkId);
    const answer = await context.options.askRows(ids);
    if ("reason" in answer) return answer;
    const stored = new Map(answer.value.map((user) => [user.clerk_id, user]));
    for (const [user, expected] of chunk) {
      const found = stored.get(expected.clerkId);
      noteDifferences(context.differences, user, compareUser(expected, found));
      if (!isFinished(found, context.expectations.isKnown(user))) unfinished.push(user);
    }
  }
  return { unfinished };
}

/** A user whose first job still waits has neither row nor state. */
function isFinished(stored: UserRecord | undefined, isKnown: boolean): boolean {
  const isSeen = stored !== undefined && (stored.row !== null || stored.state !== null);
  return isSeen ? stored.open_jobs === 0 : !isKnown;
}

function noteDifferences(differences: Map<number, Difference[]>, user: number, found: Difference[]): void {
  if (found.length === 0) differences.delete(user);
  else differences.set(user, found);
}

function conclude(users: number, differences: Map<number, Difference[]>, unfinished: number): RowCheck {
  const sorted = [...differences].sort(([left], [right]) => left - right).flatMap(([, found]) => found);
  return {
    state: "checked",
    inStep: users - differences.size,
    outOfStep: differences.size,
    unfinished,
    differences: sorted.slice(0, maxDifferences),
  };
}
