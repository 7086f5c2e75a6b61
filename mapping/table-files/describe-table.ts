import type { ColumnFacts, TableFacts } from "../mapping.ts";
import { commentOfOurs } from "../read-table.ts";
import type { Catalog, Column, Constraint, Table, UniqueIndex } from "./catalog.ts";
import { describeType } from "./data-types.ts";
import { compareNames } from "./names.ts";

/** The same of a table of the files that readTable says of one in a database. */
export function describeTable({ tables }: Pick<Catalog, "tables">, table: Table): TableFacts {
  const { schema, name, constraints } = table;
  const indexes = table.indexes.toSorted((one, other) => compareNames(one.name, other.name));
  const primaryKey = constraints.find(({ kind }) => kind === "primary key");
  return {
    table: { schema, name },
    isTable: table.kind === "table",
    isOurs: table.comment?.startsWith(commentOfOurs) ?? false,
    columns: table.columns.map(describeColumn),
    primaryKey: primaryKey !== undefined && "index" in primaryKey ? namesOf(primaryKey.index.keys) : [],
    uniques: indexes.filter((index) => isWhole(index) && index.isImmediate).map(({ keys }) => namesOf(keys)),
    partlyUnique: [...new Set(indexes.flatMap(columnsOfPart))].sort(compareNames),
    deferrables: describeDeferrables(constraints),
    pointsTo: constraints
      .flatMap((each) => (each.kind === "foreign key" ? [each] : []))
      .toSorted((one, other) => compareNames(one.name, other.name))
      .map(({ name: constraint, columns, target }) => ({
        constraint,
        columns: namesOf(columns),
        table: { schema: target.schema, name: target.name },
      })),
    references: tables.flatMap((other) => describeReferences(other, table)).sort(compareReferences),
    hasRowLevelSecurity: table.hasRowLevelSecurity,
  };
}

function namesOf(columns: readonly (Column | null)[]): string[] {
  return columns.flatMap((column) => column?.name ?? []);
}

function describeColumn({ name, type, isNotNull, default: value, generated }: Column): ColumnFacts {
  const domain = typeof type.base === "object" && type.base.kind === "domain" && !type.isArray ? type.base : null;
  const isClear = generated !== "computed" && value !== null && value.isExact;
  const expression = isClear ? value.print() : null;
  const isFilled = value !== null && !(expression?.includes("auth.uid()") ?? false);
  return {
    name,
    ...describeType(type),
    isNotNull: isNotNull || (domain?.isNotNull ?? false),
    hasDefault: generated !== "no" || (domain?.hasDefault ?? false) || isFilled,
    defaultExpression: expression,
    isGenerated: generated === "always" || generated === "computed",
  };
}

function isWhole({ keys, isPartial }: UniqueIndex): boolean {
  return !isPartial && !keys.includes(null);
}

/** The columns that a partial index, or one over an expression, is on by itself. */
function columnsOfPart(index: UniqueIndex): string[] {
  if (isWhole(index) || index.keys.length !== 1) return [];
  return namesOf(index.keys[0] === null ? index.ofExpressions : index.keys);
}

function describeDeferrables(constraints: readonly Constraint[]): TableFacts["deferrables"] {
  return constraints
    .flatMap((each) => {
      if (!("index" in each) || !each.isDeferrable || each.index.keys.length !== 1) return [];
      return namesOf(each.index.keys).map((column) => ({ constraint: each.name, column }));
    })
    .sort((one, other) => compareNames(one.constraint, other.constraint));
}

function describeReferences(other: Table, table: Table): TableFacts["references"] {
  return other.constraints.flatMap((each) => {
    if (each.kind !== "foreign key" || each.target !== table) return [];
    return [
      {
        constraint: each.name,
        table: { schema: other.schema, name: other.name },
        columns: namesOf(each.columns),
        references: namesOf(each.targetColumns ?? []),
        onUpdate: each.onUpdate,
        onDelete: each.onDelete,
      },
    ];
  });
}

function compareReferences(one: TableFacts["references"][number], other: TableFacts["references"][number]): number {
  return (
    compareNames(one.table.schema, other.table.schema) ||
    compareNames(one.table.name, other.table.name) ||
    compareNames(one.constraint, other.constraint)
  );
}
