/** A refusal of sync-admin, or that it was not reached. The message says what to do, docs/errors.md explains the code. */
export class ApiError extends Error {
  /** 0: no answer at all. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

/** Whether signing in again is the way out. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

/** What to show of anything that was thrown. */
export function describeError(error: unknown): { error: string; code: string } {
  if (error instanceof ApiError) return { error: error.message, code: error.code };
  return { error: error instanceof Error ? error.message : String(error), code: "page_failed" };
}
