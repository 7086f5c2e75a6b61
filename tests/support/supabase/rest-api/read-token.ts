import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { postgrestFailure } from "../../../../local/supabase/postgrest-failure.ts";
import { refuse } from "./refuse.ts";

/** Whom PostgREST takes a caller for: the database role, and what row level security sees as auth.jwt(). */
export type Caller = { role: string; claims: Record<string, unknown> };

export type ReadToken = (token: string) => Promise<Caller>;

/**
 * Makes the check of tokens as PostgREST does it with the keys that Supabase gives it: the legacy secret and the JWKS
 * of the third-party provider. It checks signature and times and nothing more: not the issuer (only its keys tell
 * providers apart), and it takes the role as the token says it, anon where it says none
 * (docs.postgrest.org, "Authentication"; PostgREST.Auth.Jwt).
 */
export function createReadToken({ jwtSecret, jwksUrl }: { jwtSecret: Uint8Array; jwksUrl: string }): ReadToken {
  const thirdParty = createRemoteJWKSet(new URL(jwksUrl));
  const keyFor: JWTVerifyGetKey = (header, token) => {
    if (header.alg === "HS256") return jwtSecret;
    return thirdParty(header, token);
  };
  return async (token) => {
    const parts = token.split(".").length;
    if (parts !== 3) return refuseToken("PGRST301", `Expected 3 parts in JWT; got ${parts}`);
    const claims = await verify(token, keyFor);
    const role = typeof claims["role"] === "string" ? claims["role"] : "anon";
    return { role, claims: { ...claims, role } };
  };
}

async function verify(token: string, keyFor: JWTVerifyGetKey): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keyFor, { clockTolerance: 30 })).payload; // PostgREST allows 30 seconds
  } catch (error) {
    if (error instanceof errors.JWTExpired) return refuseToken("PGRST303", "JWT expired");
    if (error instanceof errors.JWTClaimValidationFailed) return refuseToken("PGRST303", "JWT not yet valid");
    if (/"alg":"none"/.test(headerOf(token))) {
      return refuseToken("PGRST301", "Wrong or unsupported encoding algorithm");
    }
    return refuseToken("PGRST301", "No suitable key or wrong key type");
  }
}

function headerOf(token: string): string {
  return Buffer.from(token.split(".")[0] ?? "", "base64url").toString();
}

function refuseToken(code: string, message: string): never {
  return refuse(postgrestFailure(401, code, message));
}
