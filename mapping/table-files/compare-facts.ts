import { canonicalJson } from "../canonical-json.ts";
import type { ColumnFacts, TableFacts } from "../mapping.ts";
import { quoteIdentifier } from "../quote.ts";

/** What has changed from one reading of a table to another, a line for each change. Empty: nothing. */
export function compareFacts(before: TableFacts, after: TableFacts): string[] {
  const find = ({ columns }: TableFacts, name: string) => columns.find((column) => column.name === name);
  const names = new Set([...after.columns, ...before.columns].map(({ name }) => name));
  return [
    ...[...names].flatMap((name) => compareColumn(name, find(before, name), find(after, name))),
    ...keys.flatMap(([key, what]) =>
      canonicalJson(before[key]) === canonicalJson(after[key]) ? [] : [`${what} changed`],
    ),
  ];
}

const keys = [
  ["isTable", "whether it is a table"],
  ["primaryKey", "the primary key"],
  ["uniques", "what is unique"],
  ["partlyUnique", "what is unique in part"],
  ["deferrables", "what is deferrable"],
  ["pointsTo", "what it points to"],
  ["references", "what points to it"],
  ["hasRowLevelSecurity", "row level security"],
] as const;

function compareColumn(name: string, before: ColumnFacts | undefined, after: ColumnFacts | undefined): string[] {
  const quoted = quoteIdentifier(name);
  if (before === undefined) return [`${quoted} is new`];
  if (after === undefined) return [`${quoted} is gone`];
  const labels = (column: ColumnFacts) => (column.type.kind === "enum" ? column.type.labels.join() : "");
  return [
    ...(before.sqlType === after.sqlType ? [] : [`${quoted} is ${after.sqlType}, and was ${before.sqlType}`]),
    ...(before.sqlType === after.sqlType && labels(before) !== labels(after) ? [`${quoted} has other labels`] : []),
    ...(before.isNotNull === after.isNotNull
      ? []
      : [`${quoted} ${after.isNotNull ? "may not be" : "may be"} null now`]),
    ...(isSameDefault(before, after) ? [] : [`${quoted} has another default`]),
    ...(before.isGenerated === after.isGenerated
      ? []
      : [`${quoted} ${after.isGenerated ? "is" : "is not"} generated now`]),
  ];
}

function isSameDefault(before: ColumnFacts, after: ColumnFacts): boolean {
  return before.hasDefault === after.hasDefault && before.defaultExpression === after.defaultExpression;
}
