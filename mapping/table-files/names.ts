import type { TableName } from "../mapping.ts";
import type { Catalog, Table } from "./catalog.ts";

/** PostgreSQL cuts longer names. */
const maxBytes = 63;

/**
 * The name that PostgreSQL chooses: parts joined by underscores, the longer part cut until the whole fits
 * (makeObjectName).
 */
function joinName(first: string, second: string, label: string): string {
  let [one, two] = [Buffer.from(first), Buffer.from(second)];
  const room = maxBytes - label.length - 1 - (second === "" ? 0 : 1);
  while (one.length + two.length > room) {
    if (one.length > two.length) one = one.subarray(0, -1);
    else two = two.subarray(0, -1);
  }
  return [wholeLetters(one), ...(second === "" ? [] : [wholeLetters(two)]), label].join("_");
}

/** Without the beginning of a letter that was cut. */
function wholeLetters(bytes: Buffer): string {
  return new TextDecoder().decode(bytes, { stream: true });
}

function firstFree(first: string, second: string, label: string, isTaken: (name: string) => boolean): string {
  for (let number = 0; ; number += 1) {
    const name = joinName(first, second, number === 0 ? label : `${label}${number}`);
    if (!isTaken(name)) return name;
  }
}

function isRelation({ tables, sequences, otherRelations }: Catalog, schema: string, name: string): boolean {
  const isIt = (each: TableName) => each.schema === schema && each.name === name;
  if (tables.some((table) => table.isKnown && isIt(table))) return true;
  if (sequences.some(isIt) || otherRelations.some(isIt)) return true;
  return tables.some((table) => table.schema === schema && table.indexes.some((index) => index.name === name));
}

function isConstraint({ tables }: Catalog, schema: string, name: string): boolean {
  return tables.some(
    (table) => table.schema === schema && table.constraints.some((constraint) => constraint.name === name),
  );
}

/** Of a sequence, or of an index without a constraint. */
export function chooseRelationName(catalog: Catalog, table: Table, parts: readonly string[], label: string): string {
  return firstFree(table.name, joinParts(parts), label, (name) => isRelation(catalog, table.schema, name));
}

/** Of a primary key or a unique constraint, which its index shares. */
export function chooseIndexedConstraintName(
  catalog: Catalog,
  table: Table,
  parts: readonly string[],
  label: "pkey" | "key" | "excl",
): string {
  const isTaken = (name: string) =>
    isRelation(catalog, table.schema, name) || isConstraint(catalog, table.schema, name);
  return firstFree(table.name, label === "pkey" ? "" : joinParts(parts), label, isTaken);
}

/** Of a foreign key or a check. */
export function chooseConstraintName(catalog: Catalog, table: Table, parts: readonly string[], label: string): string {
  return firstFree(table.name, joinParts(parts), label, (name) => isConstraint(catalog, table.schema, name));
}

/** Names of columns; what makes it longer than a name can be is left out. */
function joinParts(parts: readonly string[]): string {
  let joined = "";
  for (const part of parts) {
    joined = Buffer.from(joined === "" ? part : `${joined}_${part}`)
      .subarray(0, maxBytes)
      .toString("utf8");
    if (Buffer.byteLength(joined) >= maxBytes) break;
  }
  return joined;
}

/** The order of names in the catalog: that of their bytes. */
export function compareNames(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
