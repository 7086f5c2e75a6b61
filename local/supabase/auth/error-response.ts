import { randomUUID } from "node:crypto";
import pg from "pg";
import { AuthError } from "./auth-error.ts";

export const apiVersionHeader = "X-Supabase-Api-Version";

const newestApiVersion = "2024-01-01";
const unhandled = "Unexpected failure, please check server logs for more information";

/** SQLSTATEs that GoTrue shows to clients that send no version header: raised exceptions and broken constraints. */
const publicSqlStates = new Set(["P0001", "23000", "23001", "23502", "23503", "23505", "23514", "23P01"]);

type Answer = { status: number; body: Record<string, unknown> };

/**
 * The response for anything thrown below the routes. `requestedVersion` is the caller's X-Supabase-Api-Version
 * and picks the shape of the body: `{code, message}` from 2024-01-01 on, else `{code, error_code, msg}` or, where
 * PostgreSQL refused, its own error. Source: GoTrue internal/api/errors.go, internal/utilities/postgres.go.
 */
export function errorResponse(thrown: unknown, requestedVersion: string | undefined): Response {
  const error = toAuthError(thrown);
  const isVersioned = hasVersionedErrors(requestedVersion);
  const { status, body } = isVersioned ? versionedAnswer(error) : (databaseAnswer(error) ?? initialAnswer(error));
  const headers = new Headers({ "Content-Type": "application/json", "x-sb-error-code": error.code });
  if (isVersioned) headers.set(apiVersionHeader, newestApiVersion);
  return new Response(JSON.stringify(body), { status, headers });
}

function toAuthError(thrown: unknown): AuthError {
  if (thrown instanceof AuthError) return thrown;
  return new AuthError(500, "unexpected_failure", unhandled, { cause: thrown });
}

/** A version that is no date, or older than the first one, gets the initial shape. */
function hasVersionedErrors(requestedVersion: string | undefined): boolean {
  if (requestedVersion === undefined || !/^\d{4}-\d{2}-\d{2}$/.test(requestedVersion)) return false;
  const date = new Date(`${requestedVersion}T00:00:00Z`);
  const isCalendarDay = !Number.isNaN(date.valueOf()) && date.toISOString().startsWith(requestedVersion);
  return isCalendarDay && requestedVersion >= newestApiVersion;
}

function versionedAnswer(error: AuthError): Answer {
  return { status: error.status, body: { code: error.code, message: error.message, ...weakPassword(error) } };
}

function initialAnswer(error: AuthError): Answer {
  const errorId = error.status >= 500 ? { error_id: randomUUID() } : {};
  return {
    status: error.status,
    body: { code: error.status, error_code: error.code, msg: error.message, ...errorId, ...weakPassword(error) },
  };
}

function databaseAnswer({ cause }: AuthError): Answer | undefined {
  if (!(cause instanceof pg.DatabaseError) || cause.code === undefined) return undefined;
  const status = statusOfSqlState(cause.code);
  if (status === undefined) return undefined;
  const { code, message, hint, detail } = cause;
  return { status, body: { code, message, hint, detail } };
}

/** As PostgREST, GoTrue lets a database function choose the status with the SQLSTATE `PTxxx`. */
function statusOfSqlState(sqlState: string): number | undefined {
  if (publicSqlStates.has(sqlState)) return 500;
  const chosen = /^PT([2-5]\d\d)$/.exec(sqlState)?.[1];
  return chosen === undefined ? undefined : Number(chosen);
}

function weakPassword({ weakPasswordReasons }: AuthError): Record<string, unknown> {
  return weakPasswordReasons === undefined ? {} : { weak_password: { reasons: weakPasswordReasons } };
}
