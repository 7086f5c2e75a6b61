import { decodeProtectedHeader } from "jose";
import type { VerifySessionToken } from "../clerk/verify-session-token.ts";
import { SyncError } from "../errors.ts";
import { bearerToken, type CheckCaller } from "../http/check-caller.ts";
import type { Caller, Right } from "./contract/overview.ts";
import type { AdminTokens } from "./token.ts";

/** Who asks sync-admin; clerkId: whose session stands behind it. */
export type AdminCaller = Caller & { clerkId: string | null };

/**
 * Says who a request is from. Throws SyncError: `caller_unauthorized`, `admin_token_expired`, `admin_token_invalid` or
 * `session_token_invalid` (nobody we know), `right_missing` (known, and without any right here), or what Clerk's keys and
 * the database throw.
 */
export type IdentifyCaller = (request: Request) => Promise<AdminCaller>;

export type AdminSessions = {
  verifySessionToken: VerifySessionToken;
  /** The role of a user's row, which comes from public_metadata.role and nothing else; null without one. */
  readRole: (clerkId: string) => Promise<string | null>;
  operatorRoles: readonly string[];
  viewerRoles: readonly string[];
};

type AdminCallerOptions = {
  /** Of the secret keys, and no others. */
  checkCaller: CheckCaller;
  tokens: AdminTokens;
  /** Null: session tokens are refused. */
  sessions: AdminSessions | null;
};

/** Says who holds the secret key, for the audit; the command line sends it. */
const actorHeader = "x-clerk-sync-actor";
const longestName = 80;

/** Makes the check of callers: the secret key, an admin token, or a Clerk session token of a user with such a role. */
export function createIdentifyCaller(options: AdminCallerOptions): IdentifyCaller {
  return async (request) => {
    if (await holdsSecretKey(request, options.checkCaller)) {
      const name = cleanName(request.headers.get(actorHeader) ?? "") || "secret_key";
      return { right: "operator", name, by: "secret_key", expires_at: null, clerkId: null };
    }
    const token = bearerToken(request);
    const algorithm = token === null ? undefined : algorithmOf(token);
    if (token === null || algorithm === undefined) throw unknown();
    return algorithm === "HS256" ? await readAdminToken(token, options) : await readSession(request, options);
  };
}

/** Whether a request tries to prove anything: who does not is no failed attempt. */
export function hasCredential(request: Request): boolean {
  return request.headers.has("apikey") || request.headers.has("authorization");
}

/** A name as the audit can keep it: one line, without characters that are not seen, at most 80 of them. */
export function cleanName(name: string): string {
  return Array.from(name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "").trim())
    .slice(0, longestName)
    .join("");
}

async function holdsSecretKey(request: Request, checkCaller: CheckCaller): Promise<boolean> {
  try {
    await checkCaller(request);
    return true;
  } catch (error) {
    if (error instanceof SyncError && error.code === "caller_unauthorized") return false;
    throw error;
  }
}

/** A token of a session is worth what the user's role is worth now. */
async function readAdminToken(token: string, { tokens, sessions }: AdminCallerOptions): Promise<AdminCaller> {
  const { expiresAt, ...claims } = await tokens.verify(token);
  const own = claims.clerkId === null ? "operator" : await rightOf(claims.clerkId, sessions);
  const right = own === "viewer" ? "viewer" : claims.right;
  return { ...claims, right, by: "admin_token", expires_at: new Date(expiresAt).toISOString() };
}

async function readSession(request: Request, { sessions }: AdminCallerOptions): Promise<AdminCaller> {
  if (sessions === null) throw sessionsRefused();
  const clerkId = await sessions.verifySessionToken(request);
  return { right: await rightOf(clerkId, sessions), name: clerkId, by: "session_token", expires_at: null, clerkId };
}

async function rightOf(clerkId: string, sessions: AdminSessions | null): Promise<Right> {
  if (sessions === null) throw sessionsRefused();
  const role = await sessions.readRole(clerkId);
  if (role !== null && sessions.operatorRoles.includes(role)) return "operator";
  if (role !== null && sessions.viewerRoles.includes(role)) return "viewer";
  throw new SyncError(
    "right_missing",
    "This user's role gives no right here: ADMIN_OPERATOR_ROLES and ADMIN_VIEWER_ROLES do not name it.",
  );
}

function algorithmOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).alg;
  } catch {
    return undefined; // no JWT: a key that is not ours
  }
}

function sessionsRefused(): SyncError {
  return new SyncError(
    "caller_unauthorized",
    "Session tokens are not accepted: ADMIN_OPERATOR_ROLES or ADMIN_VIEWER_ROLES, and CLERK_ISSUER or CLERK_PUBLISHABLE_KEY, have to be set.",
  );
}

function unknown(): SyncError {
  return new SyncError(
    "caller_unauthorized",
    "Send the project's secret key as apikey header, or an admin token or Clerk session token as Authorization: Bearer.",
  );
}
