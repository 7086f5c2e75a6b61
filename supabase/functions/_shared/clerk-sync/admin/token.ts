import { errors, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { SyncError } from "../errors.ts";
import { type Right, rights } from "./contract/overview.ts";

/** What an admin token says: who, with which right, and the Clerk user whose session stands behind it, if any. */
type AdminClaims = { name: string; right: Right; clerkId: string | null };

/** Admin tokens: what a browser may keep for a while where it must not keep the secret key. */
export type AdminTokens = {
  /** Throws SyncError `config_invalid` when there is no secret key to sign with. Times are Unix milliseconds. */
  sign: (claims: AdminClaims) => Promise<{ token: string; expiresAt: number }>;
  /** Throws SyncError `admin_token_expired` or `admin_token_invalid`. */
  verify: (token: string) => Promise<AdminClaims & { expiresAt: number }>;
};

type AdminTokensOptions = {
  /** The project's secret keys: the first signs, all are accepted. A key that is taken away takes its tokens with it. */
  secretKeys: readonly string[];
  /** Unix milliseconds. */
  now: () => number;
};

const lifetimeSeconds = 8 * 3600;
const issuer = "clerk-supabase-sync";
const audience = "sync-admin";
/** Changing it makes every token invalid. */
const purpose = "clerk-supabase-sync admin token, version 1";

const claimsSchema = z.object({
  name: z.string().min(1).max(400),
  right: z.enum(rights),
  clerk_id: z.string().min(1).max(255).nullish(),
  exp: z.number(),
});

/** Makes the tokens of one project: HS256 under keys derived from its secret keys (RFC 5869), valid for eight hours. */
export function createAdminTokens({ secretKeys, now }: AdminTokensOptions): AdminTokens {
  let derived: Promise<Uint8Array[]> | undefined;
  const keys = () => {
    derived ??= Promise.all(secretKeys.filter((key) => key !== "").map(deriveKey));
    return derived;
  };
  return {
    sign: async ({ name, right, clerkId }) => {
      const [key] = await keys();
      if (key === undefined) throw new SyncError("config_invalid", "There is no secret key to sign admin tokens with.");
      const seconds = Math.floor(now() / 1000);
      const token = await new SignJWT({ name, right, ...(clerkId === null ? {} : { clerk_id: clerkId }) })
        .setProtectedHeader({ alg: "HS256", typ: "JWT" })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt(seconds)
        .setExpirationTime(seconds + lifetimeSeconds)
        .sign(key);
      return { token, expiresAt: (seconds + lifetimeSeconds) * 1000 };
    },
    verify: async (token) => {
      const { name, right, clerk_id, exp } = await verifyWithAny(token, await keys(), now());
      return { name, right, clerkId: clerk_id ?? null, expiresAt: exp * 1000 };
    },
  };
}

async function deriveKey(secretKey: string): Promise<Uint8Array> {
  const encoder = new TextEncoder();
  const secret = await crypto.subtle.importKey("raw", encoder.encode(secretKey), "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info: encoder.encode(purpose) };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, secret, 256));
}

async function verifyWithAny(token: string, keys: readonly Uint8Array[], now: number) {
  for (const key of keys) {
    const claims = await verifyWith(token, key, now);
    if (claims !== null) return claims;
  }
  throw invalid();
}

/** Null when another key may have signed it. */
async function verifyWith(token: string, key: Uint8Array, now: number): Promise<z.infer<typeof claimsSchema> | null> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: ["HS256"],
      issuer,
      audience,
      requiredClaims: ["exp", "iat"],
      currentDate: new Date(now),
    });
    return claimsSchema.parse(payload);
  } catch (cause) {
    if (cause instanceof errors.JWSSignatureVerificationFailed) return null;
    if (cause instanceof errors.JWTExpired) {
      throw new SyncError("admin_token_expired", "The admin token has expired. Sign in again.", { cause });
    }
    throw invalid(cause);
  }
}

function invalid(cause?: unknown): SyncError {
  return new SyncError("admin_token_invalid", "The admin token is not one of this project's. Sign in again.", {
    cause,
  });
}
