import { DelegateBackoff, handleWhen, retry } from "cockatiel";
import { type ErrorCode, SyncError } from "../errors.ts";

/** Does the work, and does it again while it fails for a reason that may pass. */
export type Retry = <Output>(work: () => Promise<Output>) => Promise<Output>;

type RetryOptions = {
  /** Attempts after the first. */
  retries: number;
  /** A server that asks to wait longer than this is not waited for: the caller decides what to do meanwhile. */
  longestWaitMilliseconds: number;
  /** In [0, 1). */
  random?: () => number;
};

const refusedKeys: ReadonlySet<ErrorCode> = new Set(["clerk_unauthorized", "auth_unauthorized"]);
const firstPauseMilliseconds = 500;

/**
 * Makes the retry of requests that only read. Pauses double, with full jitter, and are never shorter than what the
 * server asked for (Retry-After), to which a little jitter is added: whoever was refused together must not come back
 * together. A refused key is not tried again.
 */
export function createRetry({ retries, longestWaitMilliseconds, random = Math.random }: RetryOptions): Retry {
  const isTemporary = (error: unknown) =>
    error instanceof SyncError &&
    error.retryable &&
    !refusedKeys.has(error.code) &&
    (error.retryAfterSeconds ?? 0) * 1000 <= longestWaitMilliseconds;
  const backoff = new DelegateBackoff<{ attempt: number; result: unknown }>(({ attempt, result }) => {
    const asked = askedSeconds(result) * 1000;
    return asked + random() * firstPauseMilliseconds * 2 ** (asked > 0 ? 0 : attempt - 1);
  });
  const policy = retry(handleWhen(isTemporary), { maxAttempts: retries, backoff });
  return (work) => policy.execute(work);
}

function askedSeconds(result: unknown): number {
  const { error } = result as { error?: unknown };
  return error instanceof SyncError ? (error.retryAfterSeconds ?? 0) : 0;
}
