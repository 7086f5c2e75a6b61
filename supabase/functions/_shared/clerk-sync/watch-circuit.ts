import { type ErrorCode, SyncError } from "./errors.ts";

/** A service behind a circuit breaker; its state is in clerk_sync.circuits. */
export type CircuitName = "auth" | "clerk";

/** What one batch saw of a service; see clerk_sync.record_calls. `retry_after` is in seconds. */
export type CircuitCalls = {
  name: CircuitName;
  successes: number;
  failures: number;
  /** Failures after the last success. */
  streak: number;
  tripped: boolean;
  code?: ErrorCode;
  retry_after?: number;
};

export type CircuitWatch = {
  name: CircuitName;
  /** Makes a call and counts how it ended; returns and throws what it does. */
  run: <Answer>(call: () => Promise<Answer>) => Promise<Answer>;
  /** True once so many calls failed in a row that another one is no use in this batch. */
  isTripped: () => boolean;
  calls: () => CircuitCalls;
};

/** As many failures in a row open a circuit, here and in clerk_sync.next_circuit. */
const mostFailures = 5;

/** The failures that say that a service is down or refuses us all. Any other answer shows that it works. */
const circuitOfCode: Partial<Record<ErrorCode, CircuitName>> = {
  auth_unavailable: "auth",
  auth_rate_limited: "auth",
  auth_unauthorized: "auth",
  clerk_unavailable: "clerk",
  clerk_rate_limited: "clerk",
  clerk_unauthorized: "clerk",
};

/** Thrown before a request went out. */
const notAsked: ReadonlySet<ErrorCode> = new Set(["clerk_budget_used", "database_unavailable"]);

/** The circuit that an error counts for; undefined when it says nothing against the service. */
export function circuitOf(error: unknown): CircuitName | undefined {
  return error instanceof SyncError ? circuitOfCode[error.code] : undefined;
}

/** Makes the count of the calls that one batch makes to a service. */
export function watchCircuit(name: CircuitName): CircuitWatch {
  const calls: CircuitCalls = { name, successes: 0, failures: 0, streak: 0, tripped: false };
  const succeeded = () => {
    calls.successes += 1;
    calls.streak = 0;
  };
  const failed = (error: unknown) => {
    if (!(error instanceof SyncError) || notAsked.has(error.code)) return; // a fault of our own says nothing of the service
    if (circuitOf(error) !== name) return succeeded();
    calls.failures += 1;
    calls.streak += 1;
    calls.tripped ||= calls.streak >= mostFailures;
    calls.code = error.code;
    calls.retry_after = Math.max(calls.retry_after ?? 0, error.retryAfterSeconds ?? 0);
  };
  return {
    name,
    run: async (call) => {
      try {
        const answer = await call();
        succeeded();
        return answer;
      } catch (error) {
        failed(error);
        throw error;
      }
    },
    isTripped: () => calls.tripped,
    calls: () => ({ ...calls }),
  };
}
