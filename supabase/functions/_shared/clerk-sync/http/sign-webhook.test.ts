import fc from "fast-check";
import { expect, test } from "vitest";
import { macOf, testNow, testSecret } from "../../../../../tests/support/clerk/sign.ts";
import { createVerifySignature } from "../webhook/verify-signature.ts";
import { decodeBase64, readWebhookSecret, signedContent, signWebhook } from "./sign-webhook.ts";

const encode = (text: string) => new TextEncoder().encode(text);

test("the example of Svix's documentation is signed as it says", async () => {
  const headers = await signWebhook({
    secret: testSecret,
    id: "msg_loFOjxBNrRLzqYUf",
    timestamp: 1731705121,
    body: encode('{"event_type":"ping","data":{"success":true}}'),
  });
  expect(headers).toEqual({
    "svix-id": "msg_loFOjxBNrRLzqYUf",
    "svix-timestamp": "1731705121",
    "svix-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
  });
});

test("any delivery is signed as node:crypto would", async () => {
  const keys = fc.uint8Array({ minLength: 1, maxLength: 64 });
  const bodies = fc.uint8Array({ maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(keys, fc.stringMatching(/^[!-~]{1,40}$/), fc.nat(), bodies, async (key, id, timestamp, body) => {
      const secret = `whsec_${Buffer.from(key).toString("base64")}`;
      const headers = await signWebhook({ secret, id, timestamp, body });
      const mac = macOf({ secret, id, timestamp: String(timestamp), body });
      expect(headers["svix-signature"]).toBe(`v1,${mac.toString("base64")}`);
    }),
  );
});

test("what is signed here is accepted by the check", async () => {
  const body = encode("{}");
  const headers = await signWebhook({ secret: testSecret, id: "msg_2", timestamp: testNow / 1000, body });
  expect(await createVerifySignature([testSecret], () => testNow)(new Headers(headers), body)).toBe("msg_2");
});

test("the signed content is id, timestamp and the untouched bytes, joined by dots", () => {
  const body = Uint8Array.of(0, 255, 46);
  expect(signedContent("msg_é", "12", body)).toEqual(Uint8Array.of(...encode("msg_é.12."), 0, 255, 46));
});

test.each(["whsec_", "whsec_***", "whsec_-_-_", ""])("the secret %o is refused without being repeated", (secret) => {
  const read = () => readWebhookSecret(secret);
  expect(read).toThrow(expect.objectContaining({ name: "SyncError", code: "config_invalid" }));
  expect(read).toThrow(/^(?!.*(\*|-_)).*$/);
});

test("any bytes come back from their base64", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(decodeBase64(Buffer.from(bytes).toString("base64"))).toEqual(new Uint8Array(bytes));
    }),
  );
});

test.each(["*", "a", "ab=c", "_-_-", "é"])("%o is not base64", (text) => {
  expect(decodeBase64(text)).toBeNull();
});
