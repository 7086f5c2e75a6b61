import { SyncError } from "../errors.ts";

const encoder = new TextEncoder();

/** Throws SyncError `caller_unauthorized` unless the request carries one of the keys. */
export type CheckCaller = (request: Request) => Promise<void>;

/**
 * Makes the check of a caller by key. A key travels in the `apikey` header (Supabase's secret keys must)
 * or as Bearer token. Without any key nobody may call: closed, never open.
 */
export function createCheckCaller(keys: readonly string[]): CheckCaller {
  return async (request) => {
    const given = [request.headers.get("apikey"), bearerToken(request)].filter((key) => key !== null);
    for (const key of given) {
      for (const expected of keys.filter((key) => key !== "")) {
        if (await equalInConstantTime(key, expected)) return;
      }
    }
    throw new SyncError(
      "caller_unauthorized",
      "Send the project's secret key as apikey header, or the processor secret as Bearer token.",
    );
  };
}

/** The token of `Authorization: Bearer …`; null without one. */
export function bearerToken(request: Request): string | null {
  return request.headers.get("authorization")?.match(/^Bearer +(.+)$/i)?.[1] ?? null;
}

/** Compares two texts without telling by time how much of them agrees: their digests under a random key. */
export async function equalInConstantTime(left: string, right: string): Promise<boolean> {
  const key = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  const digest = await crypto.subtle.sign("HMAC", key, encoder.encode(left));
  return crypto.subtle.verify("HMAC", key, digest, encoder.encode(right));
}
