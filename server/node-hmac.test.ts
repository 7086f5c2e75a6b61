import fc from "fast-check";
import { expect, test } from "vitest";
import { createVerifySignature } from "#core/webhook/verify-signature.ts";
import { macOf, signedHeaders, testNow, testSecret } from "../tests/support/clerk/sign.ts";
import { createNodeHmac } from "./node-hmac.ts";

const verify = createVerifySignature([testSecret], () => testNow, createNodeHmac);

test("any signed body is accepted, and none with a byte changed", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), async (body, at) => {
      const changed = body.map((byte, place) => (place === at % body.length ? byte ^ 1 : byte));
      expect(await verify(signedHeaders({ body }), body)).toBe("msg_1");
      await expect(verify(signedHeaders({ body }), changed)).rejects.toMatchObject({ code: "signature_invalid" });
    }),
  );
});

test("a signature with any byte changed is refused", async () => {
  const body = new TextEncoder().encode("{}");
  for (let at = 0; at < 32; at += 1) {
    const headers = signedHeaders({ body });
    const mac = Uint8Array.from(macOf({ body }), (byte, place) => (place === at ? byte ^ 1 : byte));
    headers.set("svix-signature", `v1,${Buffer.from(mac).toString("base64")}`);
    await expect(verify(headers, body)).rejects.toMatchObject({ code: "signature_invalid" });
  }
});
