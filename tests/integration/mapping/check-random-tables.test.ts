import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkTable } from "../../../mapping/check-table.ts";
import type { Configuration } from "../../../mapping/configuration.ts";
import { generateCheck } from "../../../mapping/generate-check.ts";
import type { ColumnType, MappedColumn, UsersMapping } from "../../../mapping/mapping.ts";
import { quoteIdentifier, quoteLiteral } from "../../../mapping/quote.ts";
import { readRows } from "../../../mapping/read-rows.ts";
import { readTable } from "../../../mapping/read-table.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { mayBeEmpty, takesSource, type ValueKind, valueKind } from "../../../mapping/source-types.ts";
import { type UserSource, userSources } from "../../../mapping/sources.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { applyRemedies } from "../../support/mapping/apply-remedies.ts";
import { configureUsers } from "../../support/mapping/configure-users.ts";

let opened: TestDatabase;
let client: pg.PoolClient;
beforeAll(async () => {
  opened = await createEmptyDatabase();
  client = await opened.pool.connect();
  await client.query(`
    create schema ext; create extension citext schema ext;
    create type ext."Plan" as enum ('free', 'pro'); create domain short as text;
    create schema auth; create table auth.users (id text primary key);
    create function auth.uid() returns uuid language sql as 'select null::uuid'`);
});
afterAll(async () => {
  client.release();
  await opened.drop();
});

const types = [
  "text",
  "varchar",
  "varchar(20)",
  "varchar(64)",
  "ext.citext",
  "smallint",
  "integer",
  "bigint",
  "numeric(12, 2)",
  "double precision",
  "boolean",
  "uuid",
  "date",
  "timestamp(3)",
  "timestamptz",
  "json",
  "jsonb",
  'ext."Plan"',
  "short",
  "text[]",
  "char(30)",
  "real",
  "inet",
] as const;

const sources: UserSource[] = [...userSources, "public_metadata.plan", "unsafe_metadata.a.b"];

/** A value of each kind, as SQL has it before it is cast to the column. */
const samples: Readonly<Record<ValueKind, string>> = {
  text: "'user_2abc'::text",
  "external id": "'7'::text",
  boolean: "true",
  time: "'2026-01-01T00:00:00Z'::timestamptz",
  uuid: "gen_random_uuid()",
  object: `'{"plan": "pro"}'::jsonb`,
  "whole number": "7",
  "list of texts": "array['org:a:read']",
  anything: "'7'::text",
};

/** What such a text must be for the columns that do not take any. */
const special: Partial<Record<ColumnType["kind"], string>> = {
  boolean: "'true'::text",
  uuid: "gen_random_uuid()::text",
  date: "'2026-01-01'::text",
  timestamp: "'2026-01-01'::text",
  timestamptz: "'2026-01-01'::text",
  enum: "'pro'::text",
};

async function check(file: Pick<Configuration, "users">) {
  const facts = await readTable(client, file.users.table);
  if (facts === null) throw new Error("no table");
  return { facts, problems: checkTable(file, facts, await readRows(client, file, facts)) };
}

it.each(types)("what the check lets into a column of type %s can be cast to it", async (type) => {
  await client.query(`drop table if exists users; create table users (id text primary key, value ${type})`);
  for (const source of sources) {
    const file = configureUsers({ key: "id", columns: { value: source } });
    const { facts, problems } = await check(file);
    const column = facts.columns.find(({ name }) => name === "value");
    if (column === undefined) throw new Error("no column");
    const takes = takesSource(column.type, source);
    const isShort = type === "varchar(20)" && (source === "id" || ["uuid", "time"].includes(valueKind(source)));
    expect({ source, problems: problems.length }).toEqual({ source, problems: takes && !isShort ? 0 : 1 });
    if (!takes) continue;
    const isText = valueKind(source) === "anything" || valueKind(source) === "external id" || source === "locale";
    const sample = (isText ? special[column.type.kind] : undefined) ?? samples[valueKind(source)];
    // of a value of metadata, to_jsonb is what goes into json
    const value = column.type.kind === "json" || column.type.kind === "jsonb" ? `to_jsonb(${sample})` : sample;
    await client.query(`insert into users values (gen_random_uuid(), (${value})::${column.sqlType})`);
  }
});

const name = fc.constantFrom(
  "a",
  "b",
  "email",
  "created_at",
  "imageUrl",
  "image_url",
  "user",
  'q"uote',
  "clerk_id",
  "ä".repeat(31),
  "x".repeat(63),
);
const constraint = fc.constantFrom(
  "",
  "",
  "",
  "not null",
  "not null",
  "unique",
  "unique deferrable",
  "references auth.users (id)",
);
const column = fc.record({ type: fc.constantFrom(...types), constraint, more: constraint });
const table = fc.record({
  columns: fc.uniqueArray(fc.tuple(name, column), { maxLength: 6, selector: ([each]) => each }),
  primaryKey: fc.option(fc.nat(5), { nil: null }),
});
const value = fc.constantFrom(undefined, null, "free", "{id}", "{id}@users.invalid", "0", 7, 1.5, true, "pro");
const line = fc.record({
  from: fc.constantFrom(...sources),
  default: value,
  allowed: fc.constantFrom(undefined, undefined, ["free", "pro", "a longer one than twenty"]),
});
const file = fc.record({
  key: name,
  columns: fc.uniqueArray(fc.tuple(name, line), { maxLength: 5, selector: ([each]) => each }),
  softDelete: fc.option(name, { nil: undefined }),
  linkBy: fc.constantFrom(undefined, "email" as const),
});

/** The statement of a random table; a column that PostgreSQL would refuse is left plain. */
function createTable({ columns, primaryKey }: typeof table extends fc.Arbitrary<infer Value> ? Value : never): string {
  const lines = columns.map(([each, { type, constraint: one, more }], index) => {
    const isKeyless = ["json", "jsonb", "text[]"].includes(type);
    const constraints = [...new Set([one, more])].filter(
      (text) =>
        !(text.startsWith("unique") && isKeyless) &&
        !(text.startsWith("references") && !["text", "varchar", "varchar(20)", "varchar(64)", "short"].includes(type)),
    );
    const isKey = primaryKey === index && !isKeyless;
    const isCounted = isKey && ["integer", "bigint"].includes(type) && constraints.join("") === "";
    const identity = isCounted ? " generated always as identity" : "";
    return `${quoteIdentifier(each)} ${type} ${constraints.join(" ")}${identity}${isKey ? " primary key" : ""}`;
  });
  return `drop table if exists users cascade; create table users (${lines.join(", ")})`;
}

it("whatever the table and the file, the remedies are enough; the check of the migration finds nothing then", async () => {
  await fc.assert(
    fc.asyncProperty(table, file, async (random, { columns, ...rest }) => {
      const mapped = columns.filter(([each]) => each !== rest.key && each !== rest.softDelete);
      fc.pre(rest.key !== rest.softDelete);
      await client.query(createTable(random));
      let users: Pick<Configuration, "users"> = configureUsers({
        ...rest,
        columns: Object.fromEntries(mapped),
      });
      let problems = (await check(users)).problems;
      // a remedy of one problem may show the next: a column that is text then takes the default that it needs
      for (let round = 0; problems.length > 0 && round < 3; round += 1) {
        users = await applyRemedies(client, users, problems);
        problems = (await check(users)).problems;
      }
      const { facts } = await check(users);
      expect(problems).toEqual([]);
      const resolved = resolveMapping(users, { users: facts });
      const { users: mapping } = resolved;
      await client.query(generateCheck(resolved));
      // two users who are both not banned do not fit into a unique column, which nobody has
      const isOdd = mapping.columns.some(
        ({ source, isUnique }) =>
          isUnique && !mayBeEmpty("user", source) && valueKind(source) !== "uuid" && source !== "id",
      );
      // a list of plans that the app keeps has no row here
      if (!isOdd)
        await client.query(
          `set session_replication_role = replica; ${insertPlain(mapping)}; reset session_replication_role`,
        );
    }),
    { numRuns: 150 },
  );
});

/** Two users of whom Clerk knows no more than it must. */
function insertPlain({ key, columns }: UsersMapping): string {
  const names = [key.name, ...columns.map((each) => each.name)].map(quoteIdentifier);
  const rows = ["user_one", "user_two"].map((id) => [quoteLiteral(id), ...columns.map((each) => plainValue(each, id))]);
  return `insert into users (${names.join(", ")}) values ${rows.map((row) => `(${row.join(", ")})`).join(", ")}`;
}

function plainValue(
  { source, default: given, sqlType, usesOwnDefault, type, isUnique }: MappedColumn,
  id: string,
): string {
  if (given !== undefined && given !== null && mayBeEmpty("user", source)) {
    const text = quoteLiteral(String(given).replaceAll("{id}", id));
    return type.kind === "json" || type.kind === "jsonb" ? `to_jsonb(${text}::text)` : `${text}::${sqlType}`;
  }
  if (usesOwnDefault) return "default";
  if (source === "id") return `${quoteLiteral(id)}::${sqlType}`;
  if (source === "uuid") return `gen_random_uuid()::${sqlType}`;
  if (isUnique) return "null";
  return mayBeEmpty("user", source) ? "null" : `${samples[valueKind(source)]}::${sqlType}`;
}
