import type { z } from "zod";
import { errorMessage, SyncError } from "../errors.ts";
import { json } from "../http/json-response.ts";
import { logger } from "../logger.ts";

/** The status of a refusal by its code; everything else is 503: it cannot be done now. */
const statusOfCode: Readonly<Record<string, number>> = {
  caller_unauthorized: 401,
  admin_token_expired: 401,
  admin_token_invalid: 401,
  session_token_invalid: 401,
  right_missing: 403,
  not_found: 404,
  request_invalid: 400,
  body_incomplete: 400,
  body_too_large: 413,
  rate_limited: 429,
  run_active: 409,
  run_lost: 409,
  clerk_instance_mismatch: 409,
};

/** The answer to whatever was thrown: a sentence that says what to do, and a code that docs/errors.md explains. */
export function refuse(thrown: unknown): Response {
  const error = toRefusal(thrown);
  if (!(error instanceof SyncError)) {
    logger.error("admin.failed", { error: errorMessage(error) });
    return json(500, { error: "Internal server error. The log says more.", code: "internal" });
  }
  const { code, message, retryAfterSeconds } = error;
  const status = statusOfCode[code] ?? 503;
  if (status >= 500) logger.error("admin.failed", { code, reason: message });
  const headers: Record<string, string> =
    retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
  return json(status, { error: message, code }, headers);
}

/** What was sent is not in the form that the document asks for. The fields are named, no value is. */
export function requestInvalid(error: z.core.$ZodError): SyncError {
  const problems = error.issues.map(({ path, message }) =>
    [path.join("."), message].filter((part) => part !== "").join(": "),
  );
  return new SyncError("request_invalid", `${problems.join("; ")}.`);
}

/**
 * The database refuses what only it can check, such as a cursor, with SY002 and a sentence. Class 22 is a value that a
 * parameter cannot have (https://www.postgresql.org/docs/current/errcodes-appendix.html); its message may quote the value.
 */
function toRefusal(thrown: unknown): unknown {
  const cause =
    thrown instanceof SyncError ? (thrown.cause as { code?: unknown; message?: unknown } | undefined) : undefined;
  if (typeof cause?.code === "string" && /^22/.test(cause.code)) {
    return new SyncError("request_invalid", "A parameter has a value that PostgreSQL cannot take.", { cause: thrown });
  }
  if (cause?.code !== "SY002") return thrown;
  return new SyncError("request_invalid", `${String(cause.message)}.`, { cause: thrown });
}
