import { type ErrorCode, SyncError } from "../errors.ts";

/** So long a service has to answer when it is asked whether it works. */
export const askMilliseconds = 3000;
/** Failures that come together share one question. */
const sharedMilliseconds = 1000;

type AskOptions = {
  /** A request that names no user; it resolves when the service works. */
  ask: () => Promise<unknown>;
  /** The error of a request about a user that may also be the service's. */
  unavailable: ErrorCode;
  /** The error of a request that fails for this user alone. */
  userFailed: ErrorCode;
  /** What a person should do about such a user. */
  remedy: string;
};

/**
 * Makes the judgement of a failed request about one user: whether it says something of the service or of this user only.
 * The service is asked once without a user. When it answers, the failure is the user's (a row that it cannot read, a
 * trigger that raises or hangs), and the error returned says so.
 */
export function createJudgement({ ask, unavailable, userFailed, remedy }: AskOptions) {
  let last: { at: number; works: Promise<boolean> } | null = null;
  const works = (): Promise<boolean> => {
    const at = performance.now();
    if (last === null || at - last.at >= sharedMilliseconds) {
      last = {
        at,
        works: ask().then(
          () => true,
          () => false, // the failure that is judged says the same, and is reported
        ),
      };
    }
    return last.works;
  };
  return async (error: unknown): Promise<unknown> => {
    if (!(error instanceof SyncError) || error.code !== unavailable || !(await works())) return error;
    const message = `${error.message} It answers otherwise: this user alone is at fault. ${remedy}`;
    return new SyncError(userFailed, message, { retryable: true, cause: error });
  };
}
