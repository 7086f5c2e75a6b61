type AuthErrorCode =
  | "bad_json"
  | "email_not_confirmed"
  | "invalid_credentials"
  | "otp_expired"
  | "phone_not_confirmed"
  | "provider_email_needs_verification"
  | "refresh_token_not_found"
  | "session_not_found"
  | "user_already_exists"
  | "user_banned"
  | "flow_state_not_found"
  | "bad_jwt"
  | "email_exists"
  | "no_authorization"
  | "phone_exists"
  | "request_entity_too_large"
  | "unexpected_failure"
  | "user_not_found"
  | "validation_failed"
  | "weak_password";

type AuthErrorOptions = {
  /** Why a password was refused; only with `weak_password`. */
  weakPasswordReasons?: string[];
  cause?: unknown;
};

/** An answer other than 200, as GoTrue's `apierrors.HTTPError`: thrown anywhere below the routes, answered by them. */
export class AuthError extends Error {
  readonly status: number;
  readonly code: AuthErrorCode;
  readonly weakPasswordReasons: string[] | undefined;

  constructor(status: number, code: AuthErrorCode, message: string, options: AuthErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AuthError";
    this.status = status;
    this.code = code;
    this.weakPasswordReasons = options.weakPasswordReasons;
  }
}

/** The 400 `validation_failed` of GoTrue with this message. */
export function validationFailed(message: string): AuthError {
  return new AuthError(400, "validation_failed", message);
}

/** Runs a step on the database; whatever fails in it becomes GoTrue's 500 with this message, the reason kept as cause. */
export async function databaseStep<T>(message: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    throw new AuthError(500, "unexpected_failure", message, { cause });
  }
}
