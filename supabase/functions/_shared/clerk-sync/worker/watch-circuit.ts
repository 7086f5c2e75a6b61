import type { CircuitCalls, CircuitName } from "../database/database.ts";
import { type ErrorCode, SyncError } from "../errors.ts";

export type CircuitWatch = {
  name: CircuitName;
  /**
   * Makes a call and counts how it ended; returns and throws what it does. `user` is whom it is about, when the service
   * is known to have the user.
   */
  run: <Answer>(call: () => Promise<Answer>, user?: string | null) => Promise<Answer>;
  /** True once so many calls failed in a row that another one is no use in this batch. */
  isTripped: () => boolean;
  calls: () => CircuitCalls;
};

/** As many failures in a row open a circuit, here and in clerk_sync.record_calls. */
const mostFailures = 5;

/**
 * As many users in a row open a circuit, each of whom fails alone by the service's answer: reads work and writes do
 * not, say. Here and in clerk_sync.record_calls. It is far above what single bad rows bring about.
 */
const mostFailedUsers = 20;

/** The failures that say that a service is down or refuses us all. Any other answer shows that it works. */
const circuitOfCode: Partial<Record<ErrorCode, CircuitName>> = {
  auth_unavailable: "auth",
  auth_rate_limited: "auth",
  auth_unauthorized: "auth",
  clerk_unavailable: "clerk",
  clerk_rate_limited: "clerk",
  clerk_unauthorized: "clerk",
};

/** The service works, but not for this user. */
const userFailures: ReadonlySet<ErrorCode> = new Set(["auth_user_failed", "clerk_user_failed"]);

/** Thrown before a request went out. */
const notAsked: ReadonlySet<ErrorCode> = new Set(["clerk_budget_used", "database_unavailable"]);

/** The circuit that an error counts for; undefined when it says nothing against the service. */
export function circuitOf(error: unknown): CircuitName | undefined {
  return error instanceof SyncError ? circuitOfCode[error.code] : undefined;
}

/** Makes the count of the calls that one batch makes to a service. Once it is tripped, no answer makes up for that. */
export function watchCircuit(name: CircuitName): CircuitWatch {
  const calls: CircuitCalls = { name, successes: 0, failures: 0, streak: 0 };
  const failedUsers = new Set<string>();
  const isTripped = () => calls.streak >= mostFailures || failedUsers.size >= mostFailedUsers;
  const answered = () => {
    calls.successes += 1;
    if (!isTripped()) calls.streak = 0;
  };
  const succeeded = () => {
    answered();
    if (isTripped()) return;
    failedUsers.clear();
    calls.any_user_worked = true;
  };
  const failedAlone = (code: ErrorCode, user: string | null) => {
    answered();
    if (user === null) return;
    failedUsers.add(user);
    calls.code = code;
  };
  const failed = (error: unknown, user: string | null) => {
    if (!(error instanceof SyncError) || notAsked.has(error.code)) return; // a fault of our own says nothing of the service
    if (userFailures.has(error.code)) return failedAlone(error.code, user);
    if (circuitOf(error) !== name) return answered();
    calls.failures += 1;
    calls.streak += 1;
    calls.code = error.code;
    calls.retry_after = Math.max(calls.retry_after ?? 0, error.retryAfterSeconds ?? 0);
  };
  return {
    name,
    run: async (call, user = null) => {
      try {
        const answer = await call();
        succeeded();
        return answer;
      } catch (error) {
        failed(error, user);
        throw error;
      }
    },
    isTripped,
    calls: () => ({ ...calls, ...(failedUsers.size === 0 ? {} : { failed_users: [...failedUsers] }) }),
  };
}
