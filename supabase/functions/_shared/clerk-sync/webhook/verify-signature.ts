import { SyncError } from "../errors.ts";
import {
  type CreateHmac,
  createWebHmac,
  decodeBase64,
  readWebhookSecret,
  signedContent,
} from "../http/sign-webhook.ts";

/** How far a delivery's timestamp may be from our clock (Svix, "Verifying payloads manually"). */
const toleranceSeconds = 5 * 60;

/** Rotation leaves up to ten old keys signing; more than that in one header is an attack on our time. */
const maxSignatures = 20;

/** HMAC-SHA256. */
const signatureBytes = 32;

/** Returns the message id of a delivery whose signature holds; throws SyncError otherwise. */
export type VerifySignature = (headers: Headers, body: Uint8Array) => Promise<string>;

/**
 * Makes the signature check for a list of secrets: any of them may have signed, so that a secret is
 * rotated without a lost event. `now` gives Unix milliseconds. `createHmac`: a quicker one where there is one; on Node
 * handing a body to WebCrypto's threads takes ten times as long as hashing it.
 * The check throws SyncError `signature_missing` or `signature_invalid`; both are answered 401. Of a secret that is
 * none it throws `config_invalid`.
 */
export function createVerifySignature(
  secrets: readonly string[],
  now: () => number,
  createHmac: CreateHmac = createWebHmac,
): VerifySignature {
  let hmacs: ReturnType<CreateHmac>[] | undefined;
  return async (headers, body) => {
    const { id, timestamp, signatures } = readHeaders(headers);
    checkAge(timestamp, now());
    hmacs ??= secrets.map((secret) => createHmac(readWebhookSecret(secret)));
    const content = signedContent(id, timestamp, body);
    for (const hmac of hmacs) {
      const mac = await hmac(content);
      if (signatures.some((signature) => isSame(signature, mac))) return id;
    }
    throw new SyncError(
      "signature_invalid",
      "No signature matches. Is CLERK_WEBHOOK_SECRET the secret of this endpoint?",
    );
  };
}

/** Looks at every byte, wherever the first difference is: how long it takes must not tell how much is right. */
function isSame(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let place = 0; place < one.length; place += 1) difference |= (one[place] ?? 0) ^ (other[place] ?? 0);
  return difference === 0;
}

/**
 * False when no secret could make a request of these headers valid: one is missing, the time is wrong, or no signature
 * has the size of one. It costs next to nothing, and reads no body.
 */
export function couldBeGenuine(headers: Headers, nowMilliseconds: number): boolean {
  try {
    const { timestamp, signatures } = readHeaders(headers);
    checkAge(timestamp, nowMilliseconds);
    return signatures.some((signature) => signature.length === signatureBytes);
  } catch {
    return false; // what it is exactly does not matter here
  }
}

/** Svix sends `svix-*`; a white-labelled sender sends the same three as `webhook-*` (standardwebhooks.com). */
function readHeaders(headers: Headers): { id: string; timestamp: string; signatures: Uint8Array<ArrayBuffer>[] } {
  const read = (name: string) => headers.get(`svix-${name}`) ?? headers.get(`webhook-${name}`);
  const [id, timestamp, signature] = [read("id"), read("timestamp"), read("signature")];
  if (!id || !timestamp || !signature) {
    const missing = Object.entries({ id, timestamp, signature }).filter(([, value]) => !value);
    throw new SyncError("signature_missing", `Missing header: ${missing.map(([name]) => `svix-${name}`).join(", ")}.`);
  }
  if (id.length > 255) throw new SyncError("signature_invalid", "The svix-id is longer than 255 characters.");
  return { id, timestamp, signatures: readSignatures(signature) };
}

/** `v1,<base64> v1,<base64> v1a,…`: any v1 counts, other schemes are not ours. */
function readSignatures(header: string): Uint8Array<ArrayBuffer>[] {
  return header
    .split(" ")
    .filter((entry) => entry.startsWith("v1,"))
    .slice(0, maxSignatures)
    .map((entry) => decodeBase64(entry.slice("v1,".length)))
    .filter((bytes) => bytes !== null);
}

function checkAge(timestamp: string, nowMilliseconds: number): void {
  const seconds = /^\d{1,15}$/.test(timestamp) ? Number(timestamp) : Number.NaN;
  const age = nowMilliseconds / 1000 - seconds;
  if (Number.isNaN(age) || Math.abs(age) > toleranceSeconds) {
    throw new SyncError(
      "signature_invalid",
      "The svix-timestamp is more than 5 minutes from our clock, or not a number.",
    );
  }
}
