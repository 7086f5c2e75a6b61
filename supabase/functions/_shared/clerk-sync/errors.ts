/** Every code an error of this system can carry; docs/errors.md says what each means and what to do. */
const errorCodes = [
  "config_invalid",
  "signature_missing",
  "signature_invalid",
  "body_too_large",
  "body_incomplete",
  "event_malformed",
  "caller_unauthorized",
  "right_missing",
  "admin_token_expired",
  "admin_token_invalid",
  "request_invalid",
  "not_found",
  "method_not_allowed",
  "session_token_invalid",
  "user_pending",
  "user_deleted",
  "database_unavailable",
  "database_not_writable",
  "database_rejected",
  "database_answer_invalid",
  "auth_unavailable",
  "auth_rate_limited",
  "auth_unauthorized",
  "auth_user_failed",
  "auth_rejected",
  "auth_email_conflict",
  "auth_address_refused",
  "clerk_unavailable",
  "clerk_rate_limited",
  "clerk_budget_used",
  "clerk_unauthorized",
  "clerk_user_failed",
  "clerk_rejected",
  "clerk_instance_mismatch",
  "alert_unavailable",
  "alert_rate_limited",
  "alert_rejected",
  "run_active",
  "run_lost",
  "overloaded",
  "rate_limited",
  "port_in_use",
  "data_folder_in_use",
  "data_folder_unusable",
  "postgres_failed",
  "migration_failed",
  "migration_refused",
  "migration_locked",
  "schema_newer",
  "mapping_outdated",
  "schema_outdated",
  "objects_missing",
  "endpoint_unreachable",
  "project_not_found",
  "project_invalid",
  "path_unusable",
  "install_incomplete",
  "package_incomplete",
  "rows_refused",
  "usage_invalid",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export type SyncErrorOptions = {
  /** True when the same work may succeed later without anybody changing anything. */
  retryable?: boolean;
  /** Seconds the other side asked us to wait (HTTP Retry-After). */
  retryAfterSeconds?: number;
  cause?: unknown;
};

/** The one error class of the system: a code for programs, a message that says what to do, and the cause. */
export class SyncError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: SyncErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SyncError";
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** Whether a text is a code that this version knows; an answer of another version may carry others. */
export function isErrorCode(text: string): text is ErrorCode {
  return (errorCodes as readonly string[]).includes(text);
}

/** The code of anything that was thrown, for a log or an answer. */
export function errorCode(thrown: unknown): ErrorCode | "internal" {
  return thrown instanceof SyncError ? thrown.code : "internal";
}

/** The text of anything that was thrown, for a cause that is not known to be an Error. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
