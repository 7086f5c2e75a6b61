import type { ColumnConfiguration, UsersConfiguration } from "./configuration.ts";
import type { ColumnFacts, TableFacts } from "./mapping.ts";
import { typeOfSource } from "./source-types.ts";
import type { UserSource } from "./sources.ts";

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
  return {
    table: users.table,
    isTable: true,
    isOurs: true,
    columns,
    primaryKey: [primaryKey],
    uniques: [...new Set(uniques)].map((name) => [name]),
    partlyUnique: [],
    deferrables: [],
    pointsTo: [],
    references: [],
    hasRowLevelSecurity: true,
  };
}

const plain = { isNotNull: false, hasDefault: false, defaultExpression: null, isGenerated: false };
export const textColumn = { ...plain, type: { kind: "text" }, sqlType: "text" } as const;
const timeColumn = { ...plain, type: { kind: "timestamptz" }, sqlType: "timestamptz" } as const;

function planColumn(column: ColumnConfiguration<UserSource>): ColumnFacts {
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
function hasPlannedDefault({ source, default: value }: ColumnConfiguration<UserSource>): boolean {
  if (source === "uuid" || source === "now") return true;
  return source !== "public_metadata" && value !== undefined && value !== null && !String(value).includes("{id}");
}
