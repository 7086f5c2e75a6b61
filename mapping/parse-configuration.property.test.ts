import fc from "fast-check";
import { expect, test } from "vitest";
import type { ConfigurationFile } from "./configuration-schema.ts";
import { parseConfiguration } from "./parse-configuration.ts";
import { userSources } from "./sources.ts";

type Users = NonNullable<ConfigurationFile["users"]>;
type Column = Users["columns"][string];

const optional = { requiredKeys: [] as [] };
const name = fc
  .string({ minLength: 1, maxLength: 20 })
  .filter((text) => /^[^\0"\s]+$/.test(text) && text !== "__proto__");
const metadataPath = fc
  .array(
    fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !text.includes(".")),
    { minLength: 1, maxLength: 3 },
  )
  .map((keys) => keys.join("."));
const publicPath = metadataPath.map((path) => `public_metadata.${path}` as const);
const plainSource = fc.constantFrom(...userSources.filter((each) => each !== "email"));
const allowed = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 4 });

const column: fc.Arbitrary<Column> = fc.oneof(
  plainSource,
  publicPath,
  fc.record({
    from: publicPath,
    write: fc.constantFrom("always", "once"),
    default: fc.constantFrom("free", 1, true, null),
  }),
  allowed.chain((values) =>
    fc.record({ from: publicPath, allowed: fc.constant(values), default: fc.constantFrom(...values) }),
  ),
  metadataPath.map((path) => ({ from: `unsafe_metadata.${path}` as const, allow_unsafe: true })),
);

/** Any users section that keeps the rules; its columns have names that no other setting uses. */
const users: fc.Arbitrary<Users> = fc
  .record({
    table: fc.tuple(name, name).map(([schema, table]) => `app_${schema.replaceAll(".", "_")}."${table}"`),
    columns: fc.dictionary(
      name.map((text) => `c_${text}`),
      column,
      { maxKeys: 6, noNullPrototype: true },
    ),
    more: fc.record(
      {
        delete: fc.oneof(fc.constant("hard" as const), fc.constant({ soft: "deleted_at" })),
        access: fc.oneof(
          fc.constant("leave" as const),
          fc.record({ own_row: fc.record({ editable: fc.uniqueArray(name.map((text) => `e_${text}`)) }, optional) }),
        ),
      },
      optional,
    ),
    isLinked: fc.boolean(),
  })
  .map(({ table, columns, more, isLinked }) => ({
    table,
    key: "key",
    columns: isLinked ? { ...columns, email: "email" } : columns,
    ...more,
    ...(isLinked ? { link_by: "email" as const } : {}),
  }));

const file: fc.Arbitrary<ConfigurationFile> = fc
  .record({
    users,
    organizations: fc.oneof(
      fc.constant(true),
      fc.record({ access: fc.constantFrom("none", "members", "leave") }, optional),
    ),
    memberships: fc.oneof(fc.boolean(), fc.constant({ columns: { u: { from: "user" as const, as: "id" } } })),
    changes: fc.boolean(),
    hooks: fc.uniqueArray(
      fc.record({
        name: fc.stringMatching(/^[a-z][a-z0-9_-]{0,10}$/),
        on: fc.constantFrom<string[][]>(["user.*"], ["membership.created", "user.deleted"], ["organization.updated"]),
        queue: name,
      }),
      { selector: (hook) => hook.name, maxLength: 3 },
    ),
  })
  .map((each) => (each.memberships === false ? { ...each, hooks: [] } : each));

/** The text with one letter put in, taken out, replaced, or swapped with the next. */
function misspell(text: string, kind: number, at: number, letter: string): string {
  const index = at % text.length;
  const next = text[index + 1] ?? "";
  const changed = [letter + text[index], "", letter, next + text[index]][kind % 4];
  return text.slice(0, index) + changed + text.slice(kind % 4 === 3 ? index + 2 : index + 1);
}

const mistake = fc.record({
  kind: fc.nat(3),
  at: fc.nat(40),
  letter: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz"),
});

const problemsOf = (value: unknown) => {
  const parsed = parseConfiguration(JSON.stringify(value));
  return "problems" in parsed ? parsed.problems : [];
};

test("every file that keeps the rules is taken", () => {
  fc.assert(
    fc.property(file, (value) => {
      expect(problemsOf(value)).toEqual([]);
    }),
  );
});

test("columns keep their names, sources and order", () => {
  fc.assert(
    fc.property(users, (value) => {
      const parsed = parseConfiguration(JSON.stringify({ users: value }));
      const columns = "problems" in parsed ? [] : parsed.configuration.users.columns;
      expect(columns.map((each) => [each.name, each.source])).toEqual(
        Object.entries(value.columns).map(([name, each]) => [name, typeof each === "string" ? each : each.from]),
      );
    }),
  );
});

/** A file that uses each setting of users, and the way to each. */
const full = {
  users: {
    table: "public.profiles",
    key: "id",
    columns: { plan: { from: "public_metadata.plan", default: "a", write: "once", allowed: ["a"] } },
    delete: { soft: "deleted_at" },
    access: { own_row: { editable: [] } },
  },
  organizations: { table: "public.teams" },
  memberships: true,
  roles: true,
  invitations: true,
  changes: true,
  hooks: [{ name: "a", on: ["user.*"], function: "app.f", on_error: "abort", skip: [], from: "now" }],
};

function listPaths(value: unknown, above: (string | number)[] = []): (string | number)[][] {
  if (Array.isArray(value)) return value.flatMap((item, index) => listPaths(item, [...above, index]));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [[...above, key], ...listPaths(item, [...above, key])]);
}

/** The value with the last step of the path named otherwise. */
function rename(value: unknown, [step, ...rest]: (string | number)[], to: string): unknown {
  if (Array.isArray(value)) return value.map((item, index) => (index === step ? rename(item, rest, to) : item));
  const entries = Object.entries(value as Record<string, unknown>);
  return Object.fromEntries(
    entries.map(([key, item]) => {
      if (key !== step) return [key, item];
      return rest.length === 0 ? [to, item] : [key, rename(item, rest, to)];
    }),
  );
}

const settings = listPaths(full).filter((path) => path.at(-2) !== "columns");

test("a setting with one wrong letter is named, with the right name", () => {
  expect(settings.length).toBeGreaterThan(25);
  fc.assert(
    fc.property(fc.constantFrom(...settings), mistake, (path, { kind, at, letter }) => {
      const right = String(path.at(-1));
      const wrong = misspell(right, kind, at, letter);
      // Of two letters, one wrong letter may leave anything: "on" or "as".
      fc.pre(right.length > 2 && wrong !== right);
      expect(problemsOf(rename(full, path, wrong))).toContainEqual(
        expect.objectContaining({ path: [...path.slice(0, -1), wrong], advice: `did you mean \`${right}\`?` }),
      );
    }),
    { numRuns: 1000 },
  );
});

test("a source with one wrong letter is named, with the right source", () => {
  const sources = [...userSources, "public_metadata.plan", "public_metadata.a.b"].filter(
    (each) => each.length > 3 && each !== "uuid", // one letter from id
  );
  fc.assert(
    fc.property(fc.constantFrom(...sources), mistake, (right, { kind, at, letter }) => {
      const [head = "", ...path] = right.split(".");
      const wrong = [misspell(head, kind, at, letter), ...path].join(".");
      fc.pre(wrong !== right);
      const columns = { first: wrong, second: { from: wrong } };
      expect(problemsOf({ users: { table: "a.b", key: "id", columns } })).toEqual([
        expect.objectContaining({
          path: ["users", "columns", "first"],
          found: `\`${wrong}\``,
          advice: `did you mean \`${right}\`?`,
        }),
        expect.objectContaining({ path: ["users", "columns", "second", "from"], advice: `did you mean \`${right}\`?` }),
      ]);
    }),
    { numRuns: 1000 },
  );
});

test("any JSON value gives a configuration or problems, and never throws", () => {
  const part = fc.jsonValue({ maxDepth: 3 });
  const any = fc.oneof(
    part,
    fc.record({ users: part, memberships: part, hooks: fc.array(part), roles: part }, optional),
  );
  fc.assert(
    fc.property(
      any,
      fc.dictionary(fc.constantFrom("table", "key", "columns", "delete", "access"), part),
      (value, parts) => {
        for (const each of [value, { users: parts, organizations: parts }]) {
          const parsed = parseConfiguration(JSON.stringify(each));
          expect("configuration" in parsed || parsed.problems.length > 0).toBe(true);
        }
      },
    ),
  );
});
