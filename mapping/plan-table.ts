import type { ColumnConfiguration, KindConfiguration, UsersConfiguration } from "./configuration.ts";
import type { ColumnFacts, KindSource, TableFacts, TableName } from "./mapping.ts";
import { type Source, typeOfSource } from "./source-types.ts";

/** The table as the migration makes it. The columns are in the order of its statement. */
export function planTable(users: UsersConfiguration): TableFacts {
  const identity = users.columns.find(({ source }) => source === "uuid");
  const primaryKey = identity?.name ?? users.key;
  const email = users.columns.find(({ source }) => source === "email");
  const uniques = [primaryKey, users.key, ...(email === undefined ? [] : [email.name])];
  const columns = [
    ...(identity === undefined ? [] : [planColumn(identity)]),
    { ...textColumn, name: users.key, isNotNull: primaryKey === users.key },
    ...users.columns.filter((column) => column !== identity).map(planColumn),
    ...(users.softDelete === null ? [] : [{ ...timeColumn, name: users.softDelete }]),
  ];
  return { ...plainTable(users.table), columns, primaryKey: [primaryKey], uniques: eachAlone(uniques) };
}

/** A line of the columns of a kind besides users. */
export type KindColumn = ColumnConfiguration<KindSource> & { as?: string | null };

/** The table of a kind besides users, as the migration makes it. `typeOfLocal`: of the column that `as` names. */
export function planKind(
  { table, key, columns, softDelete }: KindConfiguration<KindColumn>,
  typeOfLocal: (column: KindColumn) => Pick<ColumnFacts, "type" | "sqlType">,
): TableFacts {
  const nameOf = (wanted: KindSource) => columns.find(({ source }) => source === wanted)?.name;
  // an app names a role by its key, and so do memberships
  const primaryKey = nameOf("key") ?? key;
  const pair = [nameOf("organization"), nameOf("user")].filter((name) => name !== undefined);
  // an invitation may be repeated
  const isPair = pair.length === 2 && nameOf("email") === undefined;
  const planned = columns.map((column) => {
    if ((column.as ?? null) === null) return planKindColumn(column);
    const { type, sqlType } = typeOfLocal(column);
    return { ...planKindColumn(column), type, sqlType };
  });
  return {
    ...plainTable(table),
    columns: [{ ...textColumn, name: key }, ...planned]
      .map((column) => ({ ...column, isNotNull: column.isNotNull || column.name === primaryKey }))
      .concat(softDelete === null ? [] : [{ ...timeColumn, name: softDelete }]),
    primaryKey: [primaryKey],
    uniques: [...eachAlone([primaryKey, key]), ...(isPair && softDelete === null ? [pair] : [])],
  };
}

/** An empty object and an empty list stand where Clerk says nothing. */
function planKindColumn(column: KindColumn): ColumnFacts {
  const { source, default: value } = column;
  const planned = planColumn(column);
  if ((source !== "public_metadata" && source !== "permissions") || (value ?? null) !== null) return planned;
  return { ...planned, isNotNull: true, hasDefault: true, defaultExpression: `'{}'::${planned.sqlType}` };
}

function plainTable(table: TableName) {
  return {
    table,
    isTable: true,
    isOurs: true,
    partlyUnique: [],
    deferrables: [],
    pointsTo: [],
    references: [],
    hasRowLevelSecurity: true,
  };
}

const eachAlone = (names: readonly string[]) => [...new Set(names)].map((name) => [name]);

const plain = { isNotNull: false, hasDefault: false, defaultExpression: null, isGenerated: false };
export const textColumn = { ...plain, type: { kind: "text" }, sqlType: "text" } as const;
const timeColumn = { ...plain, type: { kind: "timestamptz" }, sqlType: "timestamptz" } as const;

function planColumn(column: ColumnConfiguration<Source>): ColumnFacts {
  const type = typeOfSource(column);
  const isKey = column.source === "uuid";
  return {
    ...plain,
    name: column.name,
    type,
    sqlType: type.kind,
    isNotNull: isKey,
    hasDefault: hasPlannedDefault(column),
  };
}

/** A row that the app makes has the default, too. {id} stands for a Clerk id, which such a row does not have. */
function hasPlannedDefault({ source, default: value }: ColumnConfiguration<Source>): boolean {
  if (source === "uuid" || source === "now") return true;
  return source !== "public_metadata" && value !== undefined && value !== null && !String(value).includes("{id}");
}
