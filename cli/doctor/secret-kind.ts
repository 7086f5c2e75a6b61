import { z } from "zod";
import { decodeBase64 } from "#core/http/sign-webhook.ts";

/** What a secret is by its shape. `projectRef` and `expiresAt` (Unix seconds) are in Supabase's legacy keys. */
export type SecretKind = {
  kind:
    | "webhook secret"
    | "Clerk secret key"
    | "Clerk publishable key"
    | "Supabase secret key"
    | "Supabase publishable key"
    | "service role key"
    | "anon key"
    | "unknown";
  projectRef?: string | undefined;
  expiresAt?: number | undefined;
};

const prefixes: readonly (readonly [string, SecretKind["kind"]])[] = [
  ["whsec_", "webhook secret"],
  ["sk_test_", "Clerk secret key"],
  ["sk_live_", "Clerk secret key"],
  ["pk_test_", "Clerk publishable key"],
  ["pk_live_", "Clerk publishable key"],
  ["sb_secret_", "Supabase secret key"],
  ["sb_publishable_", "Supabase publishable key"],
];

/** Reads off a secret what it is. Nothing of it is kept but what it says of itself. */
export function kindOfSecret(secret: string): SecretKind {
  const known = prefixes.find(([prefix]) => secret.startsWith(prefix));
  if (known !== undefined) return { kind: known[1] };
  const claims = readClaims(secret);
  if (claims?.role === "service_role")
    return { kind: "service role key", projectRef: claims.ref, expiresAt: claims.exp };
  if (claims?.role === "anon") return { kind: "anon key", projectRef: claims.ref, expiresAt: claims.exp };
  return { kind: "unknown" };
}

const claimsSchema = z.object({ role: z.string(), ref: z.string().optional(), exp: z.number().optional() });

/** The claims of one of Supabase's legacy keys, which are JWTs; null for anything else. Its signature is not ours to check. */
function readClaims(token: string): z.infer<typeof claimsSchema> | null {
  const [, payload, signature] = token.split(".");
  if (payload === undefined || signature === undefined) return null;
  const bytes = decodeBase64(payload.replaceAll("-", "+").replaceAll("_", "/"));
  if (bytes === null) return null;
  try {
    return claimsSchema
      .nullable()
      .catch(null)
      .parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return null; // not JSON: no JWT
  }
}

/** The host that a publishable key names: the base64 after its prefix is the frontend API's host and "$" (Clerk docs, "API keys"). */
export function frontendHostOf(publishableKey: string): string | null {
  const bytes = decodeBase64(publishableKey.replace(/^pk_(test|live)_/, ""));
  const text = bytes === null ? "" : new TextDecoder().decode(bytes);
  return /^[a-z0-9.-]+\$$/i.test(text) ? text.slice(0, -1) : null;
}
