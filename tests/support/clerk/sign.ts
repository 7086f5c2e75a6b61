import { createHmac } from "node:crypto";

export const testSecret = "whsec_plJ3nmyCDGBKInavdOK15jsl";
/** Unix milliseconds at which every signed test request is sent. */
export const testNow = 1_731_705_121_000;

export type SignatureInput = { secret?: string; id?: string; timestamp?: string; body: Uint8Array };

/** The signature of a delivery, made by node:crypto and so independent of the code under test. */
export function macOf({ secret = testSecret, id = "msg_1", timestamp = "1731705121", body }: SignatureInput): Buffer {
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  return createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
}

/** The three headers of a delivery as Svix sends them. */
export function signedHeaders(input: SignatureInput, prefix = "svix"): Headers {
  return new Headers({
    [`${prefix}-id`]: input.id ?? "msg_1",
    [`${prefix}-timestamp`]: input.timestamp ?? "1731705121",
    [`${prefix}-signature`]: `v1,${macOf(input).toString("base64")}`,
  });
}
