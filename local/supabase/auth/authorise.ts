import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { AuthError } from "./auth-error.ts";

/** What Supabase's gateway answers before GoTrue is asked; in its own shape, whatever the API version. */
const keyMissing = {
  message: "No API key found in request",
  hint: "No `apikey` request header or url param was found.",
};
const keyInvalid = {
  message: "Invalid API key",
  hint: "Double check your Supabase `anon` or `service_role` API key.",
};

/**
 * Lets a request pass whose `apikey` header is the secret key; without it the answer is the gateway's 401. As there,
 * `Authorization: Bearer sb_...` is dropped, so a secret key sent only as Bearer proves nothing. Any other
 * Authorization reaches GoTrue, which takes only tokens it can verify: here that is the secret key alone (a legacy
 * service_role JWT is key and token at once).
 */
export function authorise(secretKey: string): MiddlewareHandler {
  return async (context, next) => {
    const apiKey = context.req.header("apikey");
    if (apiKey === undefined || apiKey === "") return context.json(keyMissing, 401);
    if (!isSameText(apiKey, secretKey)) return context.json(keyInvalid, 401);
    requireOwnToken(context.req.header("Authorization"), secretKey);
    return next();
  };
}

function requireOwnToken(authorization: string | undefined, secretKey: string): void {
  if (authorization === undefined || authorization === "" || authorization.startsWith("Bearer sb_")) return;
  const token = /^bearer (\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) {
    throw new AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token");
  }
  if (!isSameText(token, secretKey)) {
    throw new AuthError(403, "bad_jwt", "invalid JWT: unable to parse or verify signature, token signature is invalid");
  }
}

/** Compares digests, so that neither content nor length of the secret shows in the time it takes. */
function isSameText(left: string, right: string): boolean {
  return timingSafeEqual(digest(left), digest(right));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
