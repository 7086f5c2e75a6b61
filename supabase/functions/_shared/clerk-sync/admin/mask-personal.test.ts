import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { fixtureBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { maskAddresses, maskEmail, maskPersonal, maskText } from "./mask-personal.ts";

test.each([
  ["ada@example.com", "a***@e***.com"],
  ["a@b", "a***@b***"],
  ["ada@mail.example.co.uk", "a***@m***.uk"],
  ["@nobody", "@***"],
])("the address %s becomes %s", (email, masked) => {
  expect(maskEmail(email)).toBe(masked);
});

test.each([
  ["Ada Lovelace", "A*** L***"],
  ["+4915112345678", "+***"],
  ["李小龍", "李***"],
  ["😀 x", "😀*** x***"],
  ["", ""],
])("the text %o becomes %o", (text, masked) => {
  expect(maskText(text)).toBe(masked);
});

it("an address inside of an error is masked, the rest stays", () => {
  expect(maskAddresses('auth_rejected: "ada@example.com" is taken (422)')).toBe(
    'auth_rejected: "a***@e***.com" is taken (422)',
  );
});

describe("a payload", () => {
  it("keeps ids, times, types, booleans and numbers", () => {
    const plain = {
      clerk_id: "user_2abc",
      external_id: "4711-x",
      event_type: "user.created",
      object: "event",
      created_at: "2026-11-25T12:00:00.000Z",
      updated_at: 1763900000001,
      banned: false,
      status: "verified",
      strategy: "oauth_google",
      user_role: "admin",
      verification: null,
      organization_ids: ["org_1", "org_2"],
    };
    expect(maskPersonal(plain)).toEqual(plain);
  });

  it.each([
    ["a name", { first_name: "Lovelace" }],
    ["an address", { email: "Lovelace@example.com" }],
    ["a number", { phone: "+49Lovelace" }],
    ["an image", { image_url: "https://img.clerk.com/Lovelace" }],
    ["an IP address", { client_ip: "Lovelace" }],
    ["a text nobody knows yet", { nickname: "Lovelace" }],
    ["a text in a list", { names: ["x", { deep: ["Lovelace"] }] }],
    ["any text of metadata", { public_metadata: { id: "Lovelace", type: "Lovelace", deep: { status: "Lovelace" } } }],
    ["a key of metadata that is no name", { unsafe_metadata: { "Lovelace@example.com": 1 } }],
    ["an address that stands for an id", { external_id: "Lovelace@example.com" }],
    ["a sentence that stands for an id", { external_id: "Ada Lovelace" }],
    ["an address within an error", { error: "x: Lovelace@example.com" }],
  ])("shows not %s", (_, payload) => {
    expect(JSON.stringify(maskPersonal(payload))).not.toContain("ovelace");
  });

  it("shows no telephone number as an id", () => {
    expect(maskPersonal({ external_id: "+4915112345678", clerk_id: "4915112345678" })).toEqual({
      external_id: "+***",
      clerk_id: "4***",
    });
  });

  it("shows nothing of a text, wherever it stands", () => {
    const value = fc.jsonValue({ stringUnit: fc.constantFrom("lovelace@", "lovelace ") });
    fc.assert(
      fc.property(value, (value) => {
        expect(JSON.stringify(maskPersonal({ payload: [value], public_metadata: value }))).not.toContain("ovelace");
      }),
    );
  });

  it("of Clerk's own example holds nothing personal", () => {
    const event: unknown = JSON.parse(new TextDecoder().decode(fixtureBytes("user.created.oauth-google")));
    const personal = new Set<string>();
    JSON.stringify(event, (key, value) => {
      const isPersonal = /name$|email_address$|^phone_number$|_url$|client_ip|user_agent/.test(key);
      if (isPersonal && typeof value === "string" && value.length > 3) personal.add(value);
      return value;
    });
    expect(personal.size).toBeGreaterThan(3);
    const masked = JSON.stringify(maskPersonal(event));
    for (const text of personal) expect(masked).not.toContain(text);
  });
});
