import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCheckCaller, equalInConstantTime } from "./check-caller.ts";

const secretKey = "sb_secret_0123456789";
const processorSecret = "processor-secret-0123456789";
const check = createCheckCaller([secretKey, processorSecret]);
const refused = expect.objectContaining({ name: "SyncError", code: "caller_unauthorized" });

function request(headers: Record<string, string>): Request {
  return new Request("http://localhost/functions/v1/user-job-processor", { method: "POST", headers });
}

describe("a caller is let in", () => {
  test.each([
    ["with a key as apikey header", { apikey: secretKey }],
    ["with a key as Bearer token", { authorization: `Bearer ${secretKey}` }],
    ["with the second key as apikey header", { apikey: processorSecret }],
    ["with the second key as Bearer token", { authorization: `Bearer ${processorSecret}` }],
    ["whatever the case of the word Bearer", { authorization: `bearer ${secretKey}` }],
    [
      "with a foreign apikey beside the right token",
      { apikey: "sb_publishable_1", authorization: `Bearer ${secretKey}` },
    ],
    ["with the right apikey beside a foreign token", { apikey: secretKey, authorization: "Bearer eyJhbGciOi" }],
  ])("%s", async (_, headers) => {
    await expect(check(request(headers))).resolves.toBeUndefined();
  });
});

describe("a caller is refused", () => {
  test.each([
    ["without a key", {}],
    ["with an empty key", { apikey: "", authorization: "Bearer " }],
    ["with the beginning of a key", { apikey: secretKey.slice(0, -1) }],
    ["with a key and more", { apikey: `${secretKey}0` }],
    ["with a key in the wrong case", { apikey: secretKey.toUpperCase() }],
    ["with all keys in one header", { apikey: `${secretKey},${processorSecret}` }],
    ["with a key and no scheme", { authorization: secretKey }],
    ["with a key in another scheme", { authorization: `Basic ${secretKey}` }],
    ["with a key in another header", { "x-api-key": secretKey }],
  ])("%s", async (_, headers) => {
    await expect(check(request(headers))).rejects.toEqual(refused);
  });

  test("with any other text", async () => {
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[!-~]{1,40}$/), async (text) => {
        fc.pre(text !== secretKey && text !== processorSecret);
        const headers = { apikey: text, authorization: `Bearer ${text}` };
        await expect(check(request(headers))).rejects.toEqual(refused);
      }),
    );
  });

  test.each([{}, { apikey: "" }, { apikey: "undefined" }, { authorization: "Bearer null" }, { apikey: secretKey }])(
    "when there are no keys, whatever is sent: %o",
    async (headers) => {
      await expect(createCheckCaller([])(request(headers))).rejects.toEqual(refused);
    },
  );

  test("by an empty key, which lets nobody in", async () => {
    await expect(createCheckCaller([""])(request({ apikey: "" }))).rejects.toEqual(refused);
  });

  test("without being told a key", async () => {
    await expect(check(request({ apikey: "wrong" }))).rejects.not.toThrow(/sb_secret_0|processor-secret-0|wrong/);
  });
});

test("two texts are equal in constant time when they are equal, and only then", async () => {
  const texts = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("", "a", "é"));
  await fc.assert(
    fc.asyncProperty(texts, texts, async (left, right) => {
      expect(await equalInConstantTime(left, right)).toBe(left === right);
      expect(await equalInConstantTime(left, left)).toBe(true);
    }),
  );
});
