import fc from "fast-check";
import { expect, test } from "vitest";
import { formatTableName, judgeColumnName, parseTableName } from "./table-name.ts";

test.each([
  ["public.profiles", "public", "profiles"],
  ["profiles", "public", "profiles"],
  ["public.User", "public", "User"],
  ['public."User"', "public", "User"],
  ['"User"', "public", "User"],
  ['"My Schema".User', "My Schema", "User"],
  ['app."my.table"', "app", "my.table"],
  ['app."say ""hi"""', "app", 'say "hi"'],
])("%s is the table %s.%s", (text, schema, name) => {
  expect(parseTableName(text)).toEqual({ schema, name });
});

test.each([
  ["", "write schema.table"],
  ["public.", "write schema.table"],
  [".users", "write schema.table"],
  ["public..users", "write schema.table"],
  ['public."User', "write schema.table"],
  ['public."User"s', "write schema.table"],
  ["app.public.users", "without the database: `public.users`"],
  ["public. users", "without blanks around it"],
  [`public.${"x".repeat(64)}`, "at most 63 bytes"],
  [`public.${"ü".repeat(32)}`, "at most 63 bytes"],
  ["public.a\0", "the character 0"],
])("%j is refused", (text, advice) => {
  expect(parseTableName(text)).toEqual({ advice: expect.stringContaining(advice) });
});

test("a name of 63 bytes is taken", () => {
  expect(parseTableName(`public.${"x".repeat(63)}`)).toEqual({ schema: "public", name: "x".repeat(63) });
});

test("every name is read as it was written", () => {
  const name = fc
    .string({ minLength: 1, maxLength: 15 })
    .filter((text) => text === text.trim() && text.isWellFormed() && !text.includes("\0"));
  fc.assert(
    fc.property(fc.record({ schema: name, name }), (table) => {
      expect(parseTableName(formatTableName(table))).toEqual(table);
    }),
  );
});

test.each([
  ["clerkId", null],
  ["user id", null],
  ['"clerkId"', "`clerkId`"],
  ["", "write a name"],
  [" id", "`id`"],
  ["__proto__", "cannot be used"],
  ["x".repeat(64), "at most 63 bytes"],
])("the column name %j is judged", (name, advice) => {
  expect(judgeColumnName(name)).toEqual(advice === null ? null : expect.stringContaining(advice));
});
