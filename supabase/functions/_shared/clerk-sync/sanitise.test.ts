import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sanitise } from "./sanitise.ts";

/** Text with what PostgreSQL refuses in it, and with what it must not be confused with. */
const dirtyText = fc
  .array(fc.constantFrom("\0", "\ud83d", "\ude00", "😀", "a", "é", "\n", "private_metadata", "\\u0000"), {
    maxLength: 5,
  })
  .map((parts) => parts.join(""));

const { value: dirtyJson } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(dirtyText, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(dirtyText, fc.constant("private_metadata")), tie("value"), { maxKeys: 4 }),
  ),
}));

function nested(levels: number): unknown {
  let value: unknown = "leaf";
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { key: value };
  return value;
}

describe("any JSON value", () => {
  const sanitised = (check: (text: string) => void) =>
    fc.assert(
      fc.property(dirtyJson, (value) => {
        check(JSON.stringify(sanitise(value)));
      }),
    );

  test("has no NUL when sanitised", () => {
    sanitised((text) => expect(text.replaceAll("\\\\", "")).not.toContain("\\u0000"));
  });

  test("has no lone surrogate when sanitised", () => {
    sanitised((text) => expect(text.replaceAll("\\\\", "")).not.toMatch(/\\ud[89a-f]/));
  });

  test("has no private_metadata key when sanitised", () => {
    sanitised((text) => expect(text).not.toContain('"private_metadata":'));
  });

  test("is not changed by being sanitised again", () => {
    fc.assert(
      fc.property(dirtyJson, (value) => {
        const once = sanitise(value);
        expect(JSON.stringify(sanitise(once))).toBe(JSON.stringify(once));
      }),
    );
  });

  test("is itself not changed", () => {
    fc.assert(
      fc.property(dirtyJson, (value) => {
        const before = JSON.stringify(value);
        sanitise(value);
        expect(JSON.stringify(value)).toBe(before);
      }),
    );
  });

  test("is kept as it is when PostgreSQL can store it", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "grapheme" }), (value) => {
        const text = JSON.stringify(value).replaceAll("\\u0000", "").replaceAll("private_metadata", "");
        expect(JSON.stringify(sanitise(JSON.parse(text)))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });
});

describe("text", () => {
  test.each([
    ["NUL", "a\0b\0", "ab"],
    ["a high surrogate without its pair", "a\ud83db", "ab"],
    ["a low surrogate without its pair", "a\ude00b", "ab"],
    ["surrogates in the wrong order", "\ude00\ud83d", ""],
  ])("%s is taken out of strings, and the rest stays", (_, dirty, clean) => {
    expect(sanitise({ key: [dirty] })).toEqual({ key: [clean] });
  });

  test.each(["ro\0le", "role\ud83d", "\ude00role"])("the key %j is left out: it must not become another", (key) => {
    expect(sanitise({ [key]: "admin", role: "user" })).toEqual({ role: "user" });
    expect(sanitise({ role: "user", [key]: "admin" })).toEqual({ role: "user" });
  });

  test("surrogates that a NUL kept apart do not survive as lone ones", () => {
    expect(sanitise("\ud83d\0\ude00")).toBe("😀");
    expect(sanitise("\ud83d\0x")).toBe("x");
  });

  test.each(["😀", "👩‍🚀", "\u0001\u007f", "\ufffd", "\\u0000", ""])("%o is left as it is", (text) => {
    expect(sanitise(text)).toBe(text);
  });
});

describe("private_metadata", () => {
  test("is left out at any depth, with everything in it", () => {
    const value = {
      private_metadata: 1,
      a: [{ private_metadata: { key: "secret" }, b: 2 }],
      c: { private_metadata: [] },
    };
    expect(sanitise(value)).toEqual({ a: [{ b: 2 }], c: {} });
  });

  test("is left out also when a NUL or a lone surrogate hides in its name", () => {
    expect(sanitise({ "private_\0metadata": "secret", "private_metadata\ud800": "secret", kept: 1 })).toEqual({
      kept: 1,
    });
  });

  test("is kept where it is a value, and so are keys that only resemble it", () => {
    const value = { key: "private_metadata", private_metadata_version: 2, public_metadata: { role: "admin" } };
    expect(sanitise(value)).toEqual(value);
  });
});

test("64 levels are accepted, 65 are refused as malformed", () => {
  expect(sanitise(nested(64))).toEqual(nested(64));
  expect(() => sanitise(nested(65))).toThrow(expect.objectContaining({ name: "SyncError", code: "event_malformed" }));
});

test("a value nested a hundred thousand levels deep is refused, not a stack overflow", () => {
  const value: unknown = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
  expect(() => sanitise(value)).toThrow(expect.objectContaining({ code: "event_malformed" }));
});

test("a key named __proto__ is data and reaches no prototype", () => {
  const copy = sanitise(JSON.parse('{"__proto__":{"isAdmin":true}}'));
  expect(JSON.stringify(copy)).toBe('{"__proto__":{"isAdmin":true}}');
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
});

test.each([undefined, () => 1, Symbol("s"), 1n])("what JSON cannot hold becomes null: %o", (value) => {
  expect(sanitise(value)).toBeNull();
});
