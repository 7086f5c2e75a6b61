import type { VerifySessionToken } from "../clerk/verify-session-token.ts";
import { errorMessage, SyncError } from "../errors.ts";
import type { AllowOrigin } from "../http/allow-origin.ts";
import { json } from "../http/json-response.ts";
import { createFloodLog, type FloodLog } from "../http/log-flood.ts";
import { logger } from "../logger.ts";
import type { EnsureUser } from "./ensure-user.ts";

export type EnsureUserDependencies = {
  /** Null when no issuer is set: ensure-user is off and answers 503. */
  verifySessionToken: VerifySessionToken | null;
  ensureUser: EnsureUser;
  allowOrigin: AllowOrigin;
};

/**
 * Answers a signed-in user with the own row: 200 `{user}`, or 202 while it is not there yet. Whose row it is says the
 * verified token and nothing else; the body of the request is not read.
 */
export async function handleEnsureUser(request: Request, dependencies: EnsureUserDependencies): Promise<Response> {
  const headers = dependencies.allowOrigin(request);
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers });
  try {
    return json(200, { user: await readOwnRow(request, dependencies) }, headers);
  } catch (error) {
    return refuse(error, headers, logOf(dependencies));
  }
}

async function readOwnRow(request: Request, dependencies: EnsureUserDependencies): Promise<Record<string, unknown>> {
  if (request.method !== "POST") throw new SyncError("method_not_allowed", "Ask for the own row by POST.");
  if (dependencies.verifySessionToken === null) {
    throw new SyncError("config_invalid", "ensure-user is off: neither CLERK_ISSUER nor CLERK_PUBLISHABLE_KEY is set.");
  }
  return dependencies.ensureUser(await dependencies.verifySessionToken(request));
}

/** The answers that are the caller's to know; everything else is 503, with its reason in the log alone. */
const statusOfCode: Readonly<Record<string, number>> = {
  session_token_invalid: 401,
  user_deleted: 404,
  user_pending: 202,
  method_not_allowed: 405,
};

/** Somebody looks at a page that waits for the row. */
const defaultRetrySeconds = 2;

/** While Clerk or the database is down every caller fails, and anybody can be a caller. */
const logs = new WeakMap<EnsureUserDependencies, FloodLog>();

function logOf(dependencies: EnsureUserDependencies): FloodLog {
  const log = logs.get(dependencies) ?? createFloodLog("ensure_user.failed", Date.now);
  logs.set(dependencies, log);
  return log;
}

function refuse(error: unknown, headers: Readonly<Record<string, string>>, logFailed: FloodLog): Response {
  if (!(error instanceof SyncError)) {
    logger.error("ensure_user.failed", { error: errorMessage(error) });
    return json(500, { error: "Internal server error" }, headers);
  }
  const { code, message } = error;
  const status = statusOfCode[code] ?? 503;
  const wait = { "retry-after": String(error.retryAfterSeconds ?? defaultRetrySeconds) };
  if (status === 202) return json(202, { message, code }, { ...headers, ...wait });
  if (status === 405) return json(405, { error: message, code }, { ...headers, allow: "POST, OPTIONS" });
  if (status < 500) {
    if (code === "user_deleted") logger.info("ensure_user.refused", { code, status }); // a bad token is logged where it was read
    return json(status, { error: message, code }, headers);
  }
  logFailed({ code, reason: message });
  const reason = code === "config_invalid" ? message : "The row cannot be looked up just now. Ask again.";
  return json(503, { error: reason, code }, { ...headers, ...wait });
}
