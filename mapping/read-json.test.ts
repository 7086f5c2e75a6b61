import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { listRepeated, offsetOf, plainValue, positionOf, readJson } from "./read-json.ts";

const read = (text: string) => {
  const { root, errors } = readJson(text);
  return { value: root === null ? undefined : plainValue(root), errors };
};

/** The places and advices of a text that is no JSON. */
const errorsOf = (text: string) => read(text).errors.map(({ offset, advice }) => `${offset}: ${advice}`);

describe("JSON with comments", () => {
  test("every JSON text is read as JSON.parse reads it", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 2), (text, indent) => {
        const value: unknown = JSON.parse(text);
        expect(read(JSON.stringify(value, null, indent))).toEqual({ value, errors: [] });
      }),
    );
  });

  test("a text that JSON.parse refuses has errors, unless it has comments or a comma at the end", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"',
      "1",
      "-",
      "tru",
      "true",
      "null",
      " ",
      "\\",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        const isJson = accepts(
          text.replace(/,(?=\s*[}\]])/g, (comma, at: number) => (/[,[{:]\s*$/.test(text.slice(0, at)) ? comma : "")),
        );
        expect(read(text).errors.length === 0).toBe(isJson);
      }),
      { numRuns: 2000 },
    );
  });

  test("comments, a comma at the end and a byte order mark are passed over", () => {
    const text = '\uFEFF// first\n{ /* a */ "url": "http://x", // not in the text\n "list": [1, 2,], }\n// last';
    expect(read(text)).toEqual({ value: { url: "http://x", list: [1, 2] }, errors: [] });
  });

  test("the member __proto__ is a member like others", () => {
    expect(Object.keys(read('{ "__proto__": 1 }').value as object)).toEqual(["__proto__"]);
  });

  test.each([
    ["", "0: the file is empty: write { … }, or delete the file"],
    ["// only a comment", "17: the file is empty: write { … }, or delete the file"],
    ["{ 'a': 1 }", "2: found `'`: write a name in double quotes"],
    ["{ a: 1 }", "2: found `a`: write a name in double quotes"],
    ['{ "a" 1 }', '6: found `1`: write a colon after the name "a"'],
    ['{ "a": yes }', "7: found `yes`: write a text in double quotes, a number, true, false, null, { … } or [ … ]"],
    ['{ "a": 01 }', "7: found `01`: write a text in double quotes, a number, true, false, null, { … } or [ … ]"],
    ['{ "a": "b\n" }', "7: this text has no end: close it with a double quote on the same line"],
    ['{ "a": "\t" }', '7: found "\t": write a tab as \\t, and a backslash as \\\\'],
    ['{ "a": ', "7: the file ends here: write a value"],
    ['{ "a": 1', "8: the file ends here: write the missing }"],
    ["[1", "2: the file ends here: write the missing ]"],
    ["[1}", "2: found `}`: write a comma, or ]"],
    ["{} {}", "3: found `{` after the end: the file holds one object"],
    ["{ /* a", "2: this comment has no end: close it with */"],
  ])("%j has one error that says what to write", (text, error) => {
    expect(errorsOf(text)).toEqual([error]);
  });

  test("a missing comma does not hide what is behind it", () => {
    expect(errorsOf('{ "a": 1\n "b": 2 "c": x }')).toEqual([
      "8: write a comma between two entries",
      "16: write a comma between two entries",
      "22: found `x`: write a text in double quotes, a number, true, false, null, { … } or [ … ]",
    ]);
  });

  test("a text of thousands of brackets is refused", () => {
    expect(errorsOf("[".repeat(100_000))).toEqual([expect.stringContaining("more than 50 levels deep")]);
  });
});

describe("places", () => {
  const text = '{\r\n  "a": [ { "b": 1 } ],\n  "a": 2\n}';
  const { root } = readJson('{\r\n  "a": [ { "b": 1 } ]\n}');
  const placeOf = (path: (string | number)[], at: "name" | "value") =>
    root === null ? null : positionOf(text, offsetOf(root, path, at));

  test("a path leads to a value, or to the name of its member", () => {
    expect(placeOf(["a", 0, "b"], "value")).toEqual({ line: 2, column: 17 });
    expect(placeOf(["a", 0, "b"], "name")).toEqual({ line: 2, column: 12 });
  });

  test("a path to what is missing leads to what it is missing from", () => {
    expect(placeOf(["a", 0, "c", "d"], "value")).toEqual({ line: 2, column: 10 });
    expect(placeOf(["x"], "name")).toEqual({ line: 1, column: 1 });
  });

  test("a repeated member is named once, however often it is there", () => {
    const { root: repeated } = readJson('{ "a": 1, "a": [{ "b": 1, "b": 2, "b": 3 }], "c": 1 }');
    expect(repeated && listRepeated(repeated)).toEqual([["a"], ["a", 0, "b"]]);
  });
});

function accepts(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
