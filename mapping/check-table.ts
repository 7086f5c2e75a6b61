import type { ColumnConfiguration, Configuration, UsersConfiguration } from "./configuration.ts";
import { formatColumn } from "./format-column.ts";
import type { ColumnFacts, ColumnType, DefaultValue, Reference, TableFacts } from "./mapping.ts";
import { planTable } from "./plan-table.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "./quote.ts";
import type { RowFacts } from "./read-rows.ts";
import { inWords, type RecordKind } from "./record-words.ts";
import { findColumn, isUnique } from "./resolve.ts";
import {
  isSameFamily,
  mayBeEmpty,
  pointsToRecord,
  type Source,
  takesSource,
  typeOfSource,
  valueKind,
} from "./source-types.ts";
import { snakeCase, suggestName } from "./suggest-name.ts";
import { sectionOfUsers, type TableSection } from "./table-section.ts";

/** Remedy: lines of SQL; what a person must do otherwise, like a change of the file, is a comment in it. */
export type TableProblem = { problem: string; remedy: string };

type Column = ColumnConfiguration<Source>;

/**
 * The length of Clerk's ids today: `user_` and 27 characters more, or another word before them. A longer one fails its job,
 * which names the column.
 */
const idLengths: Readonly<Record<RecordKind, number>> = {
  user: 32,
  organization: 31,
  membership: 34,
  role: 32,
  invitation: 34,
};

export const noRows: RowFacts = { clerkIdColumns: [], addressColumns: [], hasRepeatedKeys: false, refused: [] };

/**
 * Why the sync could not write to the table, and what solves it: every problem, in the order in which the statements can
 * be run. A table that is not there, and columns that a table of ours lacks, are made by the migration: no problem.
 */
export function checkTable(
  { users }: Pick<Configuration, "users">,
  facts: TableFacts | null,
  rows: RowFacts = noRows,
): TableProblem[] {
  const section = sectionOfUsers(users);
  if (facts === null) {
    const planned = planTable(users);
    return [
      ...doubtKey(section, planned, rows),
      ...users.columns.flatMap((column) => checkEmptyValue(section, column, planned)),
      ...checkLinking(users, planned),
      ...checkEditable(users, null),
    ];
  }
  return [
    ...checkSection(section, facts, rows),
    ...(facts.isTable
      ? [
          ...checkLinking({ ...users, key: takeAsMeant(section, facts, rows).key }, facts),
          ...checkOwnRow(users, facts),
          ...checkEditable(users, facts),
        ]
      : []),
  ];
}

/** What holds for the table of every kind. */
export function checkSection(section: TableSection, facts: TableFacts, rows: RowFacts): TableProblem[] {
  if (!facts.isTable) {
    const problem = `${quoteTable(facts.table)} is not a table`;
    return [{ problem, remedy: inFile('name the table behind it: "table"') }];
  }
  const meant = takeAsMeant(section, facts, rows);
  return [
    ...meant.columns.flatMap((column) => checkLabels(column, facts)),
    ...checkKey(section, facts, rows),
    ...section.columns.flatMap((column) => checkColumn(section, column, facts)),
    ...meant.columns.flatMap((column) => checkLength(meant, column, facts)),
    ...checkSoftDelete(section, facts),
    ...meant.columns.flatMap((column) => checkEmptyValue(meant, column, facts)),
    ...facts.columns.flatMap((column) => checkUnmapped(meant, column, facts)),
    ...checkUniqueKey(meant, facts, rows),
    ...checkForeignKeys(meant, facts),
  ];
}

/** The configuration with the names that were probably meant, so that one wrong name does not hide what is wrong beside it. */
export function takeAsMeant(section: TableSection, facts: TableFacts, rows: RowFacts): TableSection {
  if (facts.isOurs) return section;
  const isThere = (name: string) => findColumn(facts, name) !== undefined;
  const meant = !isThere(section.key)
    ? suggestKey(section, facts, rows)
    : isOfAddresses(section.key, rows)
      ? findIdColumn(section, facts, rows)
      : section.key;
  const key = meant ?? section.key;
  const columns = section.columns.map((column) =>
    isThere(column.name) ? column : { ...column, name: suggestColumn(section, column, facts) ?? column.name },
  );
  return { ...section, key, columns };
}

/** The problems as a script: a comment and its statements each, and nothing that psql would not take. */
export function formatProblems(problems: readonly TableProblem[]): string {
  return problems.map(({ problem, remedy }) => `${comment(problem)}\n${remedy}`).join("\n");
}

/** A name may have a line break, which would end the comment. */
export function comment(text: string): string {
  return `-- ${text.replace(/[\r\n]/g, " ")}`;
}

/**
 * What is no obstacle, and what a person may not expect: values that rows have and the file does not allow. They stay until Clerk gives a value.
 */
export function adviseTable({ users }: Pick<Configuration, "users">, { refused }: RowFacts): TableProblem[] {
  return refused.flatMap(({ column: name, values }) => {
    const column = users.columns.find((each) => each.name === name);
    if (column === undefined) return [];
    const problem = `rows have values of ${quoteIdentifier(name)} that the file does not allow: ${values.join(", ")}`;
    const allowed = [...(column.allowed ?? []), ...values];
    return [{ problem, remedy: inFile(`${json(name)}: ${formatColumn({ ...column, allowed })}`) }];
  });
}

/** A new label must be committed before a statement uses it: these come first. */
function checkLabels(column: Column, facts: TableFacts): TableProblem[] {
  const type = findColumn(facts, column.name)?.type;
  if (type?.kind !== "enum") return [];
  const { default: value } = column;
  const needed = [...(hasValue(value) ? [String(value)] : []), ...(column.allowed ?? [])];
  const name = quoteTable(type);
  return [...new Set(needed)]
    .filter((label) => !type.labels.includes(label) && !label.includes("{id}"))
    .map((label) => ({
      problem: `${name}, the type of ${quoteIdentifier(column.name)}, has no label ${label} (commit this one before the others)`,
      remedy: `alter type ${name} add value if not exists ${quoteLiteral(label)};`,
    }));
}

function checkKey(section: TableSection, facts: TableFacts, rows: RowFacts): TableProblem[] {
  const key = findColumn(facts, section.key);
  const quoted = quoteIdentifier(section.key);
  if (key === undefined) {
    if (facts.isOurs) return [];
    const problem = `there is no column ${quoted}, the key`;
    const meant = suggestKey(section, facts, rows);
    if (meant === null) return [{ problem, remedy: alter(facts, `add column ${quoted} text unique`) }];
    const why = rows.clerkIdColumns.includes(meant) ? ", which holds ids of Clerk" : "";
    return [
      { problem: `${problem}; is ${quoteIdentifier(meant)} meant${why}?`, remedy: inFile(`"key": ${json(meant)}`) },
    ];
  }
  const doubts = doubtKey(section, facts, rows);
  if (doubts.length > 0) return doubts;
  const { type } = key;
  const idLength = idLengths[section.kind];
  const isLongEnough = type.kind === "text" || (type.kind === "varchar" && (type.length ?? idLength) >= idLength);
  if (isLongEnough && !key.isGenerated) return [];
  if (isLongEnough) return [{ problem: isGenerated(key), remedy: addKey(section, facts) }];
  const problem = `${quoted}, the key, is of type ${key.sqlType}, and Clerk's ids need text or varchar of ${idLength} or more`;
  // a citext takes two ids that differ in case for one
  const isText = type.kind === "citext" || type.kind === "varchar";
  return [{ problem, remedy: isText ? alter(facts, `alter column ${quoted} type text`) : addKey(section, facts) }];
}

/** Addresses in the place of ids: each user would have a second row. */
function doubtKey(section: TableSection, facts: TableFacts, rows: RowFacts): TableProblem[] {
  if (!isOfAddresses(section.key, rows)) return [];
  const quoted = quoteIdentifier(section.key);
  const why = rows.addressColumns.includes(section.key)
    ? "its rows have email addresses"
    : "its name says that it is for email addresses";
  const problem = `${quoted} cannot be the key: ${why}, and the key holds Clerk's ids (user_…)`;
  const meant = findIdColumn(section, facts, rows);
  const remedy =
    meant !== undefined || facts.isOurs ? inFile(`"key": ${json(meant ?? "clerk_id")}`) : addKey(section, facts);
  return [{ problem, remedy }];
}

/** Whether a column is for email addresses, by its rows or its name. */
export function isOfAddresses(name: string, { addressColumns }: Pick<RowFacts, "addressColumns">): boolean {
  return addressColumns.includes(name) || /(^|_)e?_?mail(_address)?$/.test(snakeCase(name));
}

/** A column that holds ids of Clerk, or is called like one that does. */
function suggestKey(section: TableSection, facts: TableFacts, rows: RowFacts): string | null {
  return findIdColumn(section, facts, rows) ?? suggestName(section.key, freeTexts(section, facts));
}

function findIdColumn(section: TableSection, facts: TableFacts, { clerkIdColumns }: RowFacts): string | undefined {
  const free = freeTexts(section, facts);
  return free.find((name) => clerkIdColumns.includes(name)) ?? free.find((name) => /clerk.*id/i.test(name));
}

function freeTexts(section: TableSection, facts: TableFacts): string[] {
  return facts.columns
    .filter(({ name, type }) => (type.kind === "text" || type.kind === "varchar") && !isMapped(section, name))
    .map(({ name }) => name);
}

function addKey(section: TableSection, facts: TableFacts): string {
  const name = freeName(section, facts, "clerk_id");
  return `${inFile(`"key": ${json(name)}`)}\n${alter(facts, `add column ${quoteIdentifier(name)} text unique`)}`;
}

function checkColumn(section: TableSection, column: Column, facts: TableFacts): TableProblem[] {
  const found = findColumn(facts, column.name);
  const own = typeNameOf(section, column);
  const quoted = quoteIdentifier(column.name);
  if (found === undefined) {
    if (facts.isOurs) return [];
    const problem = `there is no column ${quoted}`;
    const add = alter(facts, `add column ${quoted} ${own}`);
    const meant = suggestColumn(section, column, facts);
    if (meant === null) return [{ problem, remedy: add }];
    const line = `${json(meant)}: ${formatColumn(column)}`;
    return [
      {
        problem: `${problem}; is ${quoteIdentifier(meant)} meant?`,
        remedy: `${inFile(line)}\n${comment(`or: ${add}`)}`,
      },
    ];
  }
  if (found.isGenerated) return [{ problem: isGenerated(found), remedy: setAside(section, facts, found, own) }];
  if (!takes(section, column, found.type)) {
    const problem = `${quoted} is of type ${found.sqlType}, which ${describeSource(section, column)} cannot be cast to`;
    return [{ problem, remedy: own === "text" ? toText(facts, found) : setAside(section, facts, found, own) }];
  }
  return [];
}

function suggestColumn(section: TableSection, column: Column, facts: TableFacts): string | null {
  const free = facts.columns.filter(
    (other) => !isMapped(section, other.name) && takes(section, column, other.type) && !other.isGenerated,
  );
  return suggestName(
    column.name,
    free.map(({ name }) => name),
  );
}

/** The type of a column that is added. */
function typeNameOf({ locals }: TableSection, column: Column): string {
  return locals[column.name]?.sqlType ?? typeOfSource(column).kind;
}

/** Whether the sync can write what the line says into a column of this type. */
function takes({ locals }: TableSection, column: Column, type: ColumnType): boolean {
  const local = locals[column.name];
  return local === undefined ? takesSource(type, column.source) : isSameFamily(type, local.type);
}

function describeSource({ locals }: TableSection, { name, source }: Column): string {
  const local = locals[name];
  return local === undefined
    ? source
    : `${quoteTable(local.table)}.${quoteIdentifier(local.name)}, of type ${local.sqlType},`;
}

/** A default is cast without limits, and a text of our own has a known length: each must fit. */
function checkLength(section: TableSection, column: Column, facts: TableFacts): TableProblem[] {
  const found = findColumn(facts, column.name);
  if (found?.type.kind !== "varchar" || found.type.length === null || found.isGenerated) return [];
  const proposed = findMissingDefault(section, column, found, facts)?.proposal ?? column.default;
  const texts = ownTexts(section, { ...column, default: proposed });
  const needed = Math.max(...texts.map((text) => lengthOf(text, section.kind)));
  if (needed <= found.type.length) return [];
  const quoted = quoteIdentifier(found.name);
  const problem = `${quoted} is of type ${found.sqlType}, and what the sync writes has up to ${needed} characters`;
  return [{ problem, remedy: alter(facts, `alter column ${quoted} type varchar(${needed})`) }];
}

/** Texts that come from the file or from the sync itself. */
/** Sources that are ids of other records, and how long these are. */
const idsOf = {
  organization: idLengths.organization,
  user: idLengths.user,
  inviter: idLengths.user,
  created_by: idLengths.user,
};

function ownTexts({ kind: record, locals }: TableSection, { name, source, default: value, allowed }: Column): string[] {
  if (locals[name] !== undefined) return [""];
  const kind = valueKind(source);
  return [
    "",
    ...(hasValue(value) ? [String(value)] : []),
    ...(allowed ?? []),
    ...(kind === "boolean" ? ["false"] : []),
    ...(kind === "uuid" ? ["00000000-0000-0000-0000-000000000000"] : []),
    ...(kind === "time" ? ["2026-01-01T00:00:00.000000+00:00"] : []),
    ...(source === "id" ? ["{id}"] : []),
    ...(record !== "user" && source in idsOf ? ["x".repeat(idsOf[source as keyof typeof idsOf])] : []),
  ];
}

function lengthOf(text: string, kind: RecordKind): number {
  return [...text.replaceAll("{id}", "x".repeat(idLengths[kind]))].length;
}

function checkSoftDelete(section: TableSection, facts: TableFacts): TableProblem[] {
  const { softDelete } = section;
  if (softDelete === null) return [];
  const column = findColumn(facts, softDelete);
  const quoted = quoteIdentifier(softDelete);
  if (column === undefined) {
    if (facts.isOurs) return [];
    const problem = `there is no column ${quoted}, which marks a deleted row`;
    return [{ problem, remedy: alter(facts, `add column ${quoted} timestamptz`) }];
  }
  if (facts.primaryKey.includes(softDelete)) {
    const problem = `${quoted} is the primary key, and a row that is not deleted has null in the column that marks it`;
    const name = freeName(section, facts, "deleted_at");
    const add = facts.isOurs ? "" : `\n${alter(facts, `add column ${quoteIdentifier(name)} timestamptz`)}`;
    return [{ problem, remedy: `${inFile(`"delete": {"soft": ${json(name)}}`)}${add}` }];
  }
  if (column.isGenerated)
    return [{ problem: isGenerated(column), remedy: setAside(section, facts, column, "timestamptz") }];
  const isTime = ["timestamp", "timestamptz", "date"].includes(column.type.kind);
  if (!isTime) {
    const problem = `${quoted} is of type ${column.sqlType}, and a deleted row is marked with the time`;
    return [{ problem, remedy: setAside(section, facts, column, "timestamptz") }];
  }
  return [
    ...(column.isNotNull
      ? [
          {
            problem: `${quoted} is not null, and a row that is not deleted has null there`,
            remedy: dropNotNull(facts, column),
          },
        ]
      : []),
    ...(column.hasDefault
      ? [
          {
            problem: `${quoted} has a default, so that a new row is deleted`,
            remedy: alter(facts, `alter column ${quoted} drop default`),
          },
        ]
      : []),
  ];
}

/** What stands in the column where Clerk has no value: null, the default of the file, or that of the column. */
export function checkEmptyValue(section: TableSection, column: Column, facts: TableFacts): TableProblem[] {
  const found = findColumn(facts, column.name);
  if (found === undefined || found.isGenerated || !takes(section, column, found.type)) return [];
  const missing = findMissingDefault(section, column, found, facts);
  if (missing === null) return [];
  const { problem, proposal } = missing;
  const orNull = facts.primaryKey.includes(found.name) ? unmap(found) : dropNotNull(facts, found);
  const line = inFile(`${json(column.name)}: ${formatColumn({ ...column, default: proposal })}`);
  if (hasValue(column.default)) {
    return [{ problem, remedy: proposal === null ? inFile(`remove the default of ${json(column.name)}`) : line }];
  }
  const isOneForAll = !found.hasDefault && !isUnique(facts, found.name) && column.source !== "email";
  const ownDefault = isOneForAll ? [comment(`or: ${setDefault(facts, found)}`)] : [];
  return [{ problem, remedy: proposal === null ? orNull : [line, ...ownDefault, comment(`or: ${orNull}`)].join("\n") }];
}

/** The configuration with a default for each column that needs one and has none. */
export function withMissingDefaults(users: UsersConfiguration, facts: TableFacts): UsersConfiguration {
  const section = sectionOfUsers(users);
  const columns = users.columns.map((column) => {
    const found = findColumn(facts, column.name);
    const isWritten = found !== undefined && !found.isGenerated && takesSource(found.type, column.source);
    const proposal = isWritten ? (findMissingDefault(section, column, found, facts)?.proposal ?? null) : null;
    return proposal === null || hasValue(column.default) ? column : { ...column, default: proposal };
  });
  return { ...users, columns };
}

/** Why the default of the file, or its absence, does not do, and one that does; null when all is well. */
function findMissingDefault(section: TableSection, column: Column, found: ColumnFacts, facts: TableFacts) {
  const unique = isUnique(facts, column.name);
  const problem = hasValue(column.default)
    ? judgeDefault(section.kind, column, column.default, found, unique)
    : judgeAbsence(section.kind, column, found, unique);
  return problem === null ? null : { problem, proposal: proposeDefault(column, found.type, unique) };
}

function judgeDefault(
  kind: RecordKind,
  column: Column,
  value: string | number | boolean,
  found: ColumnFacts,
  unique: boolean,
) {
  const quoted = quoteIdentifier(column.name);
  if (!fits(value, found.type)) return `the default of ${quoted}, ${json(value)}, is none of type ${found.sqlType}`;
  if (!unique || !isEverEmpty(kind, column, found.type) || String(value).includes("{id}")) return null;
  return `${quoted} is unique, and two ${inWords[kind][1]} without a value would both have the default ${json(value)}`;
}

function judgeAbsence(kind: RecordKind, column: Column, found: ColumnFacts, unique: boolean) {
  const { isNotNull, hasDefault } = found;
  if (!isNotNull || !isEverEmpty(kind, column, found.type)) return null;
  const [, many] = inWords[kind];
  const quoted = quoteIdentifier(column.name);
  if (!hasDefault) return `${quoted} is not null and has no default, and Clerk has ${many} without a value`;
  return unique
    ? `${quoted} is unique and not null, and two ${many} without a value would both have its default`
    : null;
}

/** A value that is none of those that the column takes counts as none; of users only what may be absent has such a list. */
function isEverEmpty(kind: RecordKind, { source, allowed }: Column, type: ColumnType): boolean {
  return mayBeEmpty(kind, source) || (kind !== "user" && (allowed !== null || type.kind === "enum"));
}

function hasValue(value: DefaultValue | undefined): value is string | number | boolean {
  return value !== undefined && value !== null;
}

/** A default that fits the type; on a unique column one that differs from user to user. Null: there is none. */
function proposeDefault(column: Column, type: ColumnType, unique: boolean): DefaultValue {
  const { kind } = type;
  const isText = kind === "text" || kind === "varchar" || kind === "citext";
  if (isText && column.source === "email") return "{id}@users.invalid";
  if (isText && unique) return "{id}";
  if (unique) return null;
  if (kind === "timestamp" || kind === "timestamptz" || kind === "date") return "1970-01-01";
  return (isText || kind === "enum" ? column.allowed?.[0] : undefined) ?? exampleValue(type);
}

/** Some value of the type; null where none is plain enough to be proposed. */
export function exampleValue(type: ColumnType): DefaultValue {
  const { kind } = type;
  if (kind === "text" || kind === "varchar" || kind === "citext") return "";
  if (kind === "enum") return type.labels[0] ?? null;
  if (kind === "boolean") return false;
  return ["smallint", "integer", "bigint", "numeric", "double precision"].includes(kind) ? 0 : null;
}

const uuidPattern = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

/** Whether a default of the file can be cast to the type. Labels of an enum are looked at by themselves. */
function fits(value: string | number | boolean, type: ColumnType): boolean {
  const text = String(value);
  switch (type.kind) {
    case "enum":
      return !text.includes("{id}");
    case "boolean":
      return text === "true" || text === "false";
    case "smallint":
      return isWhole(text, 2n ** 15n);
    case "integer":
      return isWhole(text, 2n ** 31n);
    case "bigint":
      return isWhole(text, 2n ** 63n);
    case "numeric":
    case "double precision":
      return /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text);
    case "uuid":
      return uuidPattern.test(text);
    case "date":
    case "timestamp":
    case "timestamptz":
      return (
        /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d(:\d\d)?)?$/.test(text) &&
        !Number.isNaN(Date.parse(text.slice(0, 10)))
      );
    default:
      return true;
  }
}

function isWhole(text: string, limit: bigint): boolean {
  if (!/^-?\d+$/.test(text)) return false;
  const number = BigInt(text);
  return number >= -limit && number < limit;
}

/** A column that is not mapped gets no value from the sync. */
function checkUnmapped(section: TableSection, column: ColumnFacts, facts: TableFacts): TableProblem[] {
  if (isMapped(section, column.name) || !column.isNotNull || column.hasDefault) return [];
  const quoted = quoteIdentifier(column.name);
  const problem = `${quoted} may not be null, nothing is mapped to it, and it has no default that the sync can use`;
  if (facts.primaryKey.includes(column.name)) return [{ problem, remedy: fillKey(section, facts, column) }];
  const others = [setDefault(facts, column), ...lineFor(section, column)];
  return [
    { problem, remedy: [dropNotNull(facts, column), ...others.map((other) => comment(`or: ${other}`))].join("\n") },
  ];
}

/** A line of columns that a person is to change; none where Clerk has nothing of the kind. */
function lineFor({ kind }: TableSection, { name, type }: ColumnFacts): string[] {
  const isTime = type.kind === "timestamp" || type.kind === "timestamptz" || type.kind === "date";
  if (isTime) return [`in clerk-sync.config.json: ${json(name)}: "now"`];
  const value = exampleValue(type);
  if (value === null || kind === "role") return []; // a role has no metadata
  const line = `${json(name)}: { "from": ${json(`public_metadata.${name}`)}, "default": ${json(value)} }`;
  return [`in clerk-sync.config.json, with a source and a default of your own: ${line}`];
}

function setDefault(facts: TableFacts, { name, type }: ColumnFacts): string {
  return alter(facts, `alter column ${quoteIdentifier(name)} set default ${defaultFor(type)}`);
}

function defaultFor(type: ColumnType): string {
  const value = exampleValue(type);
  if (type.kind === "uuid") return "gen_random_uuid()";
  if (type.kind === "timestamp" || type.kind === "timestamptz" || type.kind === "date") return "now()";
  if (type.kind === "json" || type.kind === "jsonb") return "'{}'";
  return typeof value === "string" ? quoteLiteral(value) : value === null ? "…" : String(value);
}

/** A number counts on from what is there. */
function fillKey({ kind }: TableSection, facts: TableFacts, column: ColumnFacts): string {
  const quoted = quoteIdentifier(column.name);
  const table = quoteTable(facts.table);
  const { type } = column;
  if (type.kind === "uuid") return alter(facts, `alter column ${quoted} set default gen_random_uuid()`);
  if (type.kind === "smallint" || type.kind === "integer" || type.kind === "bigint") {
    const sequence = `pg_get_serial_sequence(${quoteLiteral(table)}, ${quoteLiteral(column.name)})`;
    return [
      alter(facts, `alter column ${quoted} add generated by default as identity`),
      `select setval(${sequence}, coalesce(max(${quoted}), 0) + 1, false) from ${table};`,
    ].join("\n");
  }
  const hasRoom =
    type.kind === "text" || type.kind === "citext" || (type.kind === "varchar" && (type.length ?? 36) >= 36);
  const fill = alter(facts, `alter column ${quoted} set default gen_random_uuid()::text`);
  // the key of an ORM, which makes its values itself
  if (hasRoom && kind !== "user") return fill;
  if (hasRoom) return `${inFile(`${json(column.name)}: "uuid"`)}\n${comment(`or: ${fill}`)}`;
  return `${toText(facts, column)}\n${fill}`;
}

/** The sync upserts by the key: without a unique index, or with a deferrable one, that fails at the first event. */
function checkUniqueKey(section: TableSection, facts: TableFacts, { hasRepeatedKeys }: RowFacts): TableProblem[] {
  const key = findColumn(facts, section.key);
  // a column of another type does not stay the key
  if (key === undefined || key.isGenerated || !["text", "varchar", "citext"].includes(key.type.kind)) return [];
  const quoted = quoteIdentifier(section.key);
  const table = quoteTable(facts.table);
  const isKeyUnique = facts.uniques.some((columns) => columns.length === 1 && columns[0] === section.key);
  const deferrable = facts.deferrables.find(({ column }) => column === section.key);
  const problems: TableProblem[] = [];
  if (hasRepeatedKeys) {
    problems.push({
      problem: `values of ${quoted} stand in more than one row: keep one row of each`,
      remedy: `select ${quoted}, count(*) from ${table} group by ${quoted} having count(*) > 1 and ${quoted} is not null;`,
    });
  }
  if (deferrable !== undefined) {
    const name = quoteIdentifier(deferrable.constraint);
    const kind = facts.primaryKey.includes(section.key) ? "primary key" : "unique";
    const again = isKeyUnique ? "" : `, add constraint ${name} ${kind} (${quoted})`;
    problems.push({
      problem: `${name} is deferrable, which an upsert by ${quoted} does not take`,
      remedy: alter(facts, `drop constraint ${name}${again}`),
    });
  }
  if (!isKeyUnique && deferrable === undefined) {
    problems.push({
      problem: `${quoted} has no unique constraint or whole unique index`,
      remedy: alter(facts, `add unique (${quoted})`),
    });
  }
  return problems;
}

/**
 * A row is made before any other table, auth.users included, has the record. What metadata, locales and roles point to is a
 * list of the app's: a value that it lacks fails its job. A row with a value of another table waits for the row there.
 */
function checkForeignKeys(section: TableSection, facts: TableFacts): TableProblem[] {
  const ofRecord = [
    section.key,
    ...facts.primaryKey,
    ...section.columns.filter(({ source }) => pointsToRecord(source)).map(({ name }) => name),
  ];
  const waitsFor = (columns: readonly string[]) =>
    columns.flatMap((name) => (section.locals[name] === undefined ? [] : quoteTable(section.locals[name].table)));
  return facts.pointsTo
    .filter(({ columns }) => columns.some((name) => ofRecord.includes(name)))
    .filter(({ columns, table }) => !waitsFor(columns).includes(quoteTable(table)))
    .map((found) => ({ problem: refusesRows(section, found), remedy: dropReference(section, facts, found) }));
}

type ForeignKey = TableFacts["pointsTo"][number];

function refusesRows({ kind }: TableSection, { constraint, table }: ForeignKey): string {
  const name = quoteIdentifier(constraint);
  if (kind === "user") return `${name} refuses rows of users that ${quoteTable(table)} does not have`;
  return `${name} refuses ${inWords[kind][1]} that come before their row of ${quoteTable(table)}`;
}

/** A membership can wait for its user. */
function dropReference(section: TableSection, facts: TableFacts, { constraint, columns }: ForeignKey): string {
  const drop = alter(facts, `drop constraint ${quoteIdentifier(constraint)}`);
  const column = section.columns.find(({ name, source }) => columns.includes(name) && source === "user");
  const isHere = ({ table }: Reference) => quoteTable(table) === quoteTable(facts.table);
  const reference = section.references.find((each) => each.constraint === constraint && isHere(each));
  const [as, ...more] = reference?.references ?? [];
  if (section.kind !== "membership" || column === undefined || as === undefined || more.length > 0) return drop;
  const line = `${json(column.name)}: {"from": "user", "as": ${json(as)}}`;
  return `${drop}\n${comment(`or, so that a membership waits for its user: in clerk-sync.config.json: ${line}`)}`;
}

function checkLinking(users: UsersConfiguration, facts: TableFacts): TableProblem[] {
  if (users.linkBy === null || !facts.primaryKey.includes(users.key)) return [];
  const quoted = quoteIdentifier(users.key);
  const problem = `${quoted}, the key, is the primary key, so that no row can be without a Clerk id and wait to be linked`;
  return [{ problem, remedy: inFile('remove "link_by"') }];
}

function checkOwnRow({ access }: UsersConfiguration, facts: TableFacts): TableProblem[] {
  if (access?.kind !== "own_row" || facts.hasRowLevelSecurity || facts.isOurs) return [];
  const problem = `row level security of ${quoteTable(facts.table)} is off, and "own_row" lets users reach it`;
  return [{ problem, remedy: alter(facts, "enable row level security") }];
}

function checkEditable(users: UsersConfiguration, facts: TableFacts | null): TableProblem[] {
  if (users.access?.kind !== "own_row") return [];
  const isMade = facts === null || facts.isOurs;
  const made = isMade ? users.columns.map(({ name }) => name) : [];
  const names = [...made, ...(facts?.columns.filter((column) => !column.isGenerated) ?? []).map(({ name }) => name)];
  return users.access.editable
    .filter((name) => !names.includes(name))
    .map((name) => {
      const meant = suggestName(name, names);
      const generated = facts !== null && findColumn(facts, name)?.isGenerated === true;
      const problem = generated
        ? `${quoteIdentifier(name)} is generated: nobody can edit it`
        : `there is no column ${quoteIdentifier(name)}, which "editable" names`;
      const remedy =
        meant === null ? `remove ${json(name)} from "editable"` : `"editable": write ${json(meant)} for ${json(name)}`;
      return { problem, remedy: inFile(remedy) };
    });
}

function isMapped(section: TableSection, name: string): boolean {
  return name === section.key || name === section.softDelete || section.columns.some((column) => column.name === name);
}

function isGenerated({ name }: ColumnFacts): string {
  return `${quoteIdentifier(name)} is generated, the sync cannot write it`;
}

export function alter({ table }: TableFacts, action: string): string {
  return `alter table ${quoteTable(table)} ${action};`;
}

function dropNotNull(facts: TableFacts, { name }: ColumnFacts): string {
  return alter(facts, `alter column ${quoteIdentifier(name)} drop not null`);
}

function toText(facts: TableFacts, { name }: ColumnFacts): string {
  const quoted = quoteIdentifier(name);
  return alter(facts, `alter column ${quoted} type text using ${quoted}::text`);
}

/** For a column of the primary key, which can be neither null nor replaced. */
function unmap({ name }: ColumnFacts): string {
  return inFile(`remove ${json(name)} from "columns"`);
}

/** What a column of another type holds may mean anything: it is kept under another name. */
export function setAside(section: TableSection, facts: TableFacts, column: ColumnFacts, type: string): string {
  if (facts.primaryKey.includes(column.name)) return unmap(column);
  const quoted = quoteIdentifier(column.name);
  const before = quoteIdentifier(freeName(section, facts, column.name, "_before"));
  return [
    ...(column.isNotNull ? [dropNotNull(facts, column)] : []),
    alter(facts, `rename column ${quoted} to ${before}`),
    alter(facts, `add column ${quoted} ${type}`),
  ].join("\n");
}

/** A name that neither the table nor the file has. PostgreSQL cuts names of more than 63 bytes. */
function freeName(section: TableSection, facts: TableFacts, wanted: string, ending = ""): string {
  for (let number = 1; ; number += 1) {
    const suffix = number === 1 ? ending : `${ending}_${number}`;
    const letters = [...wanted];
    while (Buffer.byteLength(letters.join("") + suffix) > 63) letters.pop();
    const name = letters.join("") + suffix;
    if (findColumn(facts, name) === undefined && !isMapped(section, name)) return name;
  }
}

export function inFile(change: string): string {
  return comment(`In clerk-sync.config.json: ${change}`);
}

function json(value: unknown): string {
  return JSON.stringify(value);
}
