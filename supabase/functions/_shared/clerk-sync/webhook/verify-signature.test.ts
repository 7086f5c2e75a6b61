import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  macOf,
  type SignatureInput,
  signedHeaders,
  testNow,
  testSecret,
} from "../../../../../tests/support/clerk/sign.ts";
import { createVerifySignature } from "./verify-signature.ts";

const body = new TextEncoder().encode('{"event_type":"ping","data":{"success":true}}');
const otherSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const thirdSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const verify = createVerifySignature([testSecret], () => testNow);
const invalid = expect.objectContaining({ name: "SyncError", code: "signature_invalid" });

function withSignature(signature: string, input: SignatureInput = { body }): Headers {
  const headers = signedHeaders(input);
  headers.set("svix-signature", signature);
  return headers;
}

const good = `v1,${macOf({ body }).toString("base64")}`;
const bad = `v1,${Buffer.alloc(32, 7).toString("base64")}`;

describe("headers", () => {
  test("the example of Svix's documentation is accepted, and its message id returned", async () => {
    const headers = new Headers({
      "svix-id": "msg_loFOjxBNrRLzqYUf",
      "svix-timestamp": "1731705121",
      "svix-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    });
    expect(await verify(headers, body)).toBe("msg_loFOjxBNrRLzqYUf");
  });

  test("webhook-* headers are accepted like svix-* headers", async () => {
    expect(await verify(signedHeaders({ body, id: "msg_white" }, "webhook"), body)).toBe("msg_white");
  });

  test.each(["id", "timestamp", "signature"])("a delivery without svix-%s is refused as missing it", async (name) => {
    const headers = signedHeaders({ body });
    headers.delete(`svix-${name}`);
    const error = expect.objectContaining({ code: "signature_missing", message: `Missing header: svix-${name}.` });
    await expect(verify(headers, body)).rejects.toEqual(error);
    headers.set(`svix-${name}`, "");
    await expect(verify(headers, body)).rejects.toEqual(error);
  });

  test("all missing headers are named at once", async () => {
    await expect(verify(new Headers(), body)).rejects.toThrow("svix-id, svix-timestamp, svix-signature");
  });

  test("an id of 255 characters is accepted, a longer one refused", async () => {
    const longest = "m".repeat(255);
    expect(await verify(signedHeaders({ body, id: longest }), body)).toBe(longest);
    await expect(verify(signedHeaders({ body, id: `${longest}m` }), body)).rejects.toEqual(invalid);
  });
});

describe("secrets", () => {
  test.each([testSecret, otherSecret, thirdSecret])(
    "a signature of any of several secrets is accepted: %s",
    async (secret) => {
      const verifyAny = createVerifySignature([testSecret, otherSecret, thirdSecret], () => testNow);
      expect(await verifyAny(signedHeaders({ body, secret }), body)).toBe("msg_1");
    },
  );

  test("a signature of another secret is refused", async () => {
    await expect(verify(signedHeaders({ body, secret: otherSecret }), body)).rejects.toEqual(invalid);
  });

  test("without secrets every delivery is refused", async () => {
    const verifyNone = createVerifySignature([], () => testNow);
    await expect(verifyNone(signedHeaders({ body }), body)).rejects.toEqual(invalid);
  });

  test("a secret that is not base64 makes every check fail as config_invalid", async () => {
    const verifyBroken = createVerifySignature(["whsec_***"], () => testNow);
    const failure = expect.objectContaining({ code: "config_invalid" });
    await expect(verifyBroken(signedHeaders({ body }), body)).rejects.toEqual(failure);
  });

  test("a bad secret that no check has used yet is not an unhandled rejection", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", note);
    createVerifySignature(["whsec_***"], () => testNow);
    await setImmediate();
    await setImmediate();
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});

describe("signatures", () => {
  test.each([
    ["after one that does not match", `${bad} ${good}`],
    ["before one that does not match", `${good} ${bad}`],
    ["after one of another scheme", `v1a,${"A".repeat(86)}== ${good}`],
    ["after one that is not base64", `v1,*** ${good}`],
    ["after an empty one", `v1, ${good}`],
    ["after a truncated one", `v1,rAvf ${good}`],
  ])("a matching signature counts %s", async (_, header) => {
    expect(await verify(withSignature(header), body)).toBe("msg_1");
  });

  test.each([
    ["of another scheme", good.replace("v1,", "v1a,")],
    ["without a scheme", good.replace("v1,", "")],
    ["with nothing after v1", "v1,"],
    ["cut short", good.slice(0, 24)],
    ["that is not base64", "v1,***"],
  ])("a signature %s is refused", async (_, header) => {
    await expect(verify(withSignature(header), body)).rejects.toEqual(invalid);
  });

  test("the twentieth signature of a header is looked at, the twenty-first is not", async () => {
    expect(await verify(withSignature([...Array(19).fill(bad), good].join(" ")), body)).toBe("msg_1");
    await expect(verify(withSignature([...Array(20).fill(bad), good].join(" ")), body)).rejects.toEqual(invalid);
  });
});

describe("time", () => {
  test.each([-300, -299, 0, 299, 300])("a delivery %i seconds from our clock is accepted", async (seconds) => {
    const timestamp = String(testNow / 1000 + seconds);
    expect(await verify(signedHeaders({ body, timestamp }), body)).toBe("msg_1");
  });

  test.each([-301, 301, -86_400, 86_400])("a delivery %i seconds from our clock is refused", async (seconds) => {
    const timestamp = String(testNow / 1000 + seconds);
    await expect(verify(signedHeaders({ body, timestamp }), body)).rejects.toEqual(invalid);
  });

  test.each(["1731705121.5", "1.731705121e9", "+1731705121", "-1731705121", "0x6737b2a1", "now", "1".repeat(16)])(
    "a signed timestamp that is not whole seconds is refused: %s",
    async (timestamp) => {
      await expect(verify(signedHeaders({ body, timestamp }), body)).rejects.toEqual(invalid);
    },
  );

  test("the clock is read at every check", async () => {
    let now = testNow;
    const verifyLater = createVerifySignature([testSecret], () => now);
    expect(await verifyLater(signedHeaders({ body }), body)).toBe("msg_1");
    now += 301_000;
    await expect(verifyLater(signedHeaders({ body }), body)).rejects.toEqual(invalid);
  });
});

describe("what the signature covers", () => {
  const bodies = fc.uint8Array({ minLength: 1, maxLength: 200 });
  const flips = fc.integer({ min: 1, max: 255 });

  function flipped(bytes: Uint8Array, at: number, mask: number): Uint8Array {
    return bytes.map((byte, index) => (index === at % bytes.length ? byte ^ mask : byte));
  }

  test("any signed body is accepted", async () => {
    const accepts = async (bytes: Uint8Array) => (await verify(signedHeaders({ body: bytes }), bytes)) === "msg_1";
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), accepts));
  });

  test("a body with any byte changed is refused", async () => {
    await fc.assert(
      fc.asyncProperty(bodies, fc.nat(), flips, async (bytes, at, mask) => {
        await expect(verify(signedHeaders({ body: bytes }), flipped(bytes, at, mask))).rejects.toEqual(invalid);
      }),
    );
  });

  test("a signature with any byte changed is refused", async () => {
    await fc.assert(
      fc.asyncProperty(bodies, fc.nat(), flips, async (bytes, at, mask) => {
        const signature = Buffer.from(flipped(macOf({ body: bytes }), at, mask)).toString("base64");
        const headers = withSignature(`v1,${signature}`, { body: bytes });
        await expect(verify(headers, bytes)).rejects.toEqual(invalid);
      }),
    );
  });

  test("an id with any character changed is refused", async () => {
    const ids = fc.stringMatching(/^msg_[0-9A-Za-z]{1,30}$/);
    const characters = fc.constantFrom(..."abcXYZ019_-.");
    await fc.assert(
      fc.asyncProperty(ids, fc.nat(), characters, async (id, place, character) => {
        const at = place % id.length;
        fc.pre(id[at] !== character);
        const headers = signedHeaders({ body, id });
        headers.set("svix-id", id.slice(0, at) + character + id.slice(at + 1));
        await expect(verify(headers, body)).rejects.toEqual(invalid);
      }),
    );
  });

  test("a timestamp moved within the tolerance is refused", async () => {
    const moves = fc.integer({ min: -300, max: 300 }).filter((seconds) => seconds !== 0);
    await fc.assert(
      fc.asyncProperty(moves, async (seconds) => {
        const headers = signedHeaders({ body });
        headers.set("svix-timestamp", String(testNow / 1000 + seconds));
        await expect(verify(headers, body)).rejects.toEqual(invalid);
      }),
    );
  });

  test("a body that was parsed and written again is refused", async () => {
    const raw = new TextEncoder().encode('{"name":"A \\u0026 B"}');
    const rewritten = new TextEncoder().encode(JSON.stringify(JSON.parse('{"name":"A \\u0026 B"}')));
    expect(await verify(signedHeaders({ body: raw }), raw)).toBe("msg_1");
    await expect(verify(signedHeaders({ body: raw }), rewritten)).rejects.toEqual(invalid);
  });
});
