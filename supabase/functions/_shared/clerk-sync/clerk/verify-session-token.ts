import { errors, type JWTVerifyGetKey, jwtVerify } from "jose";
import { z } from "zod";
import type { Config } from "../config/config.ts";
import { SyncError } from "../errors.ts";
import { bearerToken } from "../http/check-caller.ts";
import { createFloodLog } from "../http/log-flood.ts";
import { createSessionKeys } from "./session-keys.ts";

/**
 * Returns the Clerk id of who signed in. Throws SyncError `session_token_invalid`, or `clerk_unavailable` when Clerk's
 * keys cannot be fetched: nothing can be said of the token then.
 */
export type VerifySessionToken = (request: Request) => Promise<string>;

type SessionTokenOptions = {
  /** As in the claim `iss`; its keys are at <issuer>/.well-known/jwks.json. */
  issuer: string;
  /** Values of the claim `azp` to accept; empty: it is not checked. */
  authorizedParties: readonly string[];
  /** Unix milliseconds. */
  now: () => number;
  fetch?: typeof fetch;
};

/** Clerk's own tolerance (its SDK, clockSkewInMs). */
const clockSkewSeconds = 5;

/**
 * What is read of a session token (Clerk, "Session tokens", version 1 and 2). Tokens made from a JWT template for
 * others are signed with the same keys, but have no `sid`. `azp` is the Origin the token was made for; native apps
 * have none.
 */
const claimsSchema = z.object({
  sub: z.string().min(1).max(255),
  sid: z.string().min(1),
  azp: z.string().nullish(),
  sts: z.string().nullish(),
});

type Claims = z.infer<typeof claimsSchema>;

/** Makes the check of configured session tokens; null when no issuer is set. */
export function createConfiguredVerify(
  { sessionIssuer, authorizedParties }: Config,
  now: () => number,
): VerifySessionToken | null {
  if (sessionIssuer === null) return null;
  return createVerifySessionToken({ issuer: sessionIssuer, authorizedParties, now });
}

/**
 * Makes the check of a caller by Clerk session token, sent as Bearer token; see session-keys.ts for the keys. Refusals
 * are logged here, a line a second at most: anybody can send bad tokens.
 */
export function createVerifySessionToken(options: SessionTokenOptions): VerifySessionToken {
  const { issuer, now, authorizedParties, ...rest } = options;
  const findKey = createSessionKeys({ ...rest, url: new URL(`${issuer}/.well-known/jwks.json`), now });
  const logRefused = createFloodLog("session_token.refused", now, "info");
  return async (request) => {
    try {
      const token = bearerToken(request);
      if (token === null) throw invalid("is missing. Send Clerk's session token as Authorization: Bearer.");
      const claims = await readClaims(token, options, findKey);
      checkClaims(claims, authorizedParties);
      return claims.sub;
    } catch (error) {
      if (error instanceof SyncError && !error.retryable) logRefused({ code: error.code, reason: error.message });
      throw error;
    }
  };
}

async function readClaims(token: string, options: SessionTokenOptions, findKey: JWTVerifyGetKey): Promise<Claims> {
  try {
    const { payload } = await jwtVerify(token, findKey, {
      algorithms: ["RS256"], // nothing else: neither none nor an HMAC made with the public key
      issuer: options.issuer,
      requiredClaims: ["exp", "nbf"],
      clockTolerance: clockSkewSeconds,
      currentDate: new Date(options.now()),
    });
    return claimsSchema.parse(payload);
  } catch (cause) {
    if (cause instanceof SyncError) throw cause;
    throw invalid(reasonOf(cause), cause);
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof errors.JWTExpired) return "has expired. Ask Clerk for a new one.";
  if (cause instanceof errors.JWTClaimValidationFailed) return `is not accepted: ${cause.claim}.`;
  if (cause instanceof z.ZodError)
    return `is no session token: ${cause.issues.map((issue) => issue.path[0]).join(", ")}.`;
  return "is not one of Clerk's: no key of the issuer has signed it.";
}

function checkClaims({ azp, sts }: Claims, authorizedParties: readonly string[]): void {
  // A session is pending while its user has tasks to do first, such as to choose an organization.
  if (sts && sts !== "active") throw invalid("belongs to a session that is not active yet.");
  if (azp && authorizedParties.length > 0 && !authorizedParties.includes(azp)) {
    throw invalid("was made for another app: azp is not among CLERK_AUTHORIZED_PARTIES.");
  }
}

function invalid(what: string, cause?: unknown): SyncError {
  return new SyncError("session_token_invalid", `The session token ${what}`, { cause });
}
