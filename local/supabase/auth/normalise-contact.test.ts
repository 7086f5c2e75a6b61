import { describe, expect, test } from "vitest";
import { AuthError } from "./auth-error.ts";
import { normaliseEmail, normalisePhone } from "./normalise-contact.ts";

describe("normaliseEmail", () => {
  test.each([
    ["Ada.Lovelace+x@Example.COM", "ada.lovelace+x@example.com"],
    ["a@localhost", "a@localhost"],
  ])("%s is stored as %s", (sent, stored) => {
    expect(normaliseEmail(sent)).toBe(stored);
  });

  test.each([" a@b.c", "a@b.c ", "a", "a@", "@b.c", '"a b"@b.c', "ä@b.c", "a@bü.c", "a@-b.c", "a@b.c\n", "a@b@c"])(
    "%j is refused as malformed",
    (sent) => {
      const refusal = new AuthError(400, "validation_failed", "Unable to validate email address: invalid format");
      expect(() => normaliseEmail(sent)).toThrow(refusal);
    },
  );

  test("an address of 255 bytes is accepted and one of 256 is refused as too long", () => {
    const longest = `${"a".repeat(251)}@b.c`;
    expect(normaliseEmail(longest)).toBe(longest);
    expect(() => normaliseEmail(`a${longest}`)).toThrow("An email address is too long");
  });
});

describe("normalisePhone", () => {
  test.each([
    ["+49 151 1234567", "491511234567"],
    ["12", "12"],
    ["123456789012345", "123456789012345"],
  ])("%s is stored as %s", (sent, stored) => {
    expect(normalisePhone(sent)).toBe(stored);
  });

  test.each(["++49151", "0151", "+", "1", "1234567890123456", "49-151", "49\t151"])("%j is refused", (sent) => {
    expect(() => normalisePhone(sent)).toThrow("Invalid phone number format (E.164 required)");
  });
});
