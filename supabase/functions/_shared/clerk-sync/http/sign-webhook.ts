import { SyncError } from "../errors.ts";

type SignWebhookInput = {
  /** `whsec_` followed by the base64 key, as Clerk's dashboard shows it. */
  secret: string;
  /** The message id, `msg_…`: one per event, the same on every retry. */
  id: string;
  /** Unix seconds of this delivery attempt. */
  timestamp: number;
  /** The exact bytes that will be sent. */
  body: Uint8Array;
};

/** Makes what computes HMAC-SHA256 with this key. */
export type CreateHmac = (key: Uint8Array<ArrayBuffer>) => (content: Uint8Array<ArrayBuffer>) => Mac | Promise<Mac>;
type Mac = ArrayLike<number>;

const encoder = new TextEncoder();

/** HMAC-SHA256 by WebCrypto, which every runtime has. */
export const createWebHmac = (bytes: Uint8Array<ArrayBuffer>) => {
  const key = crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return async (content: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await crypto.subtle.sign("HMAC", await key, content));
};

/**
 * The bytes of a `whsec_…` secret, the key of HMAC-SHA256.
 * Throws SyncError `config_invalid` when what follows the prefix is not base64.
 */
export function readWebhookSecret(secret: string): Uint8Array<ArrayBuffer> {
  const encoded = secret.startsWith("whsec_") ? secret.slice("whsec_".length) : secret;
  const bytes = decodeBase64(encoded);
  if (bytes === null || bytes.length === 0) {
    throw new SyncError(
      "config_invalid",
      "A webhook secret is not whsec_ followed by base64. Copy it again from Clerk's dashboard: Webhooks, the endpoint, Signing Secret.",
    );
  }
  return bytes;
}

/** The bytes Svix signs: `id.timestamp.body` (docs.svix.com, "Verifying payloads manually"). */
export function signedContent(id: string, timestamp: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = encoder.encode(`${id}.${timestamp}.`);
  const content = new Uint8Array(head.length + body.length);
  content.set(head);
  content.set(body, head.length);
  return content;
}

/** Decodes base64; null when the text is not base64. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

/** Signs one delivery as Svix does and returns its three `svix-*` headers. */
export async function signWebhook(input: SignWebhookInput): Promise<Record<string, string>> {
  const hmac = createWebHmac(readWebhookSecret(input.secret));
  const timestamp = String(input.timestamp);
  const mac = await hmac(signedContent(input.id, timestamp, input.body));
  return {
    "svix-id": input.id,
    "svix-timestamp": timestamp,
    "svix-signature": `v1,${btoa(String.fromCharCode(...mac))}`,
  };
}
