import type { Constraint as ConstraintNode, IndexElem, IndexStmt, Node } from "libpg-query";
import type { Reference } from "../mapping.ts";
import {
  type Catalog,
  type Column,
  type Constraint,
  findByName,
  type Place,
  type Reason,
  type Sequence,
  schemaFor,
  type Table,
  type UniqueIndex,
} from "./catalog.ts";
import { chooseConstraintName, chooseIndexedConstraintName, chooseRelationName } from "./names.ts";
import { columnNames, texts } from "./nodes.ts";
import { defaultOfSequence } from "./read-default.ts";

/** A constraint as it is written: beside a column, or (null) after them. */
export type WrittenConstraint = { node: ConstraintNode; column: Column | null };

/**
 * The constraints of one statement, in the order in which PostgreSQL makes them, since the names that it chooses depend
 * on it. Answers why some could not be read.
 */
export function addConstraints(
  catalog: Catalog,
  table: Table,
  constraints: readonly WrittenConstraint[],
  place: Place,
): Reason[] {
  const rank = ({ node: { contype } }: WrittenConstraint) =>
    contype === "CONSTR_PRIMARY" ? 1 : contype === "CONSTR_UNIQUE" ? 2 : contype === "CONSTR_FOREIGN" ? 3 : 0;
  const sorted = constraints.toSorted((one, other) => rank(one) - rank(other));
  return joinIndexed(sorted).flatMap((constraint) => addConstraint(catalog, table, constraint, place));
}

/** Within one statement PostgreSQL makes one index of `primary key unique`, under the first name that is given. */
function joinIndexed(constraints: readonly WrittenConstraint[]): WrittenConstraint[] {
  const joined = new Map<string, WrittenConstraint>();
  for (const [place, { node, column }] of constraints.entries()) {
    const isIndexed = node.contype === "CONSTR_PRIMARY" || node.contype === "CONSTR_UNIQUE";
    const { deferrable = false, initdeferred = false, nulls_not_distinct: nulls = false, including } = node;
    const about = [columnsOf({ node, column }), texts(including), deferrable, initdeferred, nulls];
    const key = isIndexed && node.indexname === undefined ? JSON.stringify(about) : String(place);
    const before = joined.get(key);
    const conname = before?.node.conname ?? node.conname;
    const first = before ?? { node, column };
    joined.set(key, conname === undefined ? first : { ...first, node: { ...first.node, conname } });
  }
  return [...joined.values()];
}

function columnsOf({ node, column }: WrittenConstraint): string[] {
  return column === null ? texts(node.keys) : [column.name];
}

function addConstraint(catalog: Catalog, table: Table, { node, column }: WrittenConstraint, place: Place): Reason[] {
  switch (node.contype) {
    case "CONSTR_PRIMARY":
    case "CONSTR_UNIQUE":
      return addIndexed(catalog, table, { node, column });
    case "CONSTR_FOREIGN":
      return addForeignKey(catalog, table, node, { column, place });
    case "CONSTR_CHECK":
    case "CONSTR_EXCLUSION":
    case "CONSTR_NOTNULL":
      return addOther(catalog, table, node, column);
    default:
      return [];
  }
}

export function findColumn(table: Table, name: string): Column | undefined {
  return table.columns.find((column) => column.name === name);
}

function addOther(catalog: Catalog, table: Table, node: ConstraintNode, column: Column | null): Reason[] {
  const named = [...new Set(node.contype === "CONSTR_CHECK" ? columnNames(node.raw_expr) : texts(node.keys))];
  if (node.contype === "CONSTR_NOTNULL") {
    const found = column ?? findColumn(table, named[0] ?? "");
    if (found !== undefined) found.isNotNull = true;
    if (node.conname === undefined) return [];
  }
  const label = node.contype === "CONSTR_EXCLUSION" ? "excl" : "check";
  const name =
    node.conname ?? chooseConstraintName(catalog, table, named.length === 1 ? named : [column?.name ?? ""], label);
  table.constraints.push({ kind: "other", name });
  return [];
}

function addIndexed(catalog: Catalog, table: Table, { node, column }: WrittenConstraint): Reason[] {
  const kind = node.contype === "CONSTR_PRIMARY" ? "primary key" : "unique";
  const isDeferrable = node.deferrable ?? false;
  if (node.indexname !== undefined) return takeIndex(table, { ...node, indexname: node.indexname }, kind);
  const names = columnsOf({ node, column });
  const keys = names.flatMap((name) => findColumn(table, name) ?? []);
  if (keys.length < names.length) return ["it names a column that the files do not make"];
  if (kind === "primary key") for (const key of keys) key.isNotNull = true;
  // included columns are part of the name, too
  const parts = [...names, ...texts(node.including)];
  const label = kind === "primary key" ? "pkey" : "key";
  const name = node.conname ?? chooseIndexedConstraintName(catalog, table, parts, label);
  const index: UniqueIndex = {
    name,
    keys,
    others: texts(node.including).flatMap((each) => findColumn(table, each) ?? []),
    ofExpressions: [],
    isPartial: false,
    parts,
    isImmediate: !isDeferrable,
  };
  table.indexes.push(index);
  table.constraints.push({ kind, name, index, isDeferrable });
  return [];
}

function takeIndex(
  table: Table,
  node: ConstraintNode & { indexname: string },
  kind: "primary key" | "unique",
): Reason[] {
  const index = table.indexes.find(({ name }) => name === node.indexname);
  if (index === undefined) return ["it names an index that the files do not make"];
  const isDeferrable = node.deferrable ?? false;
  index.name = node.conname ?? index.name;
  index.isImmediate = !isDeferrable;
  if (kind === "primary key") for (const key of index.keys) if (key !== null) key.isNotNull = true;
  table.constraints.push({ kind, name: index.name, index, isDeferrable });
  return [];
}

const actions: Readonly<Record<string, Reference["onDelete"]>> = {
  r: "restrict",
  c: "cascade",
  n: "set null",
  d: "set default",
};

function addForeignKey(
  catalog: Catalog,
  table: Table,
  node: ConstraintNode,
  { column, place }: { column: Column | null; place: Place },
): Reason[] {
  const names = column === null ? texts(node.fk_attrs) : [column.name];
  const columns = names.flatMap((name) => findColumn(table, name) ?? []);
  if (columns.length < names.length) return ["it names a column that the files do not make"];
  const written = { schema: node.pktable?.schemaname ?? null, name: node.pktable?.relname ?? "" };
  const target =
    findByName(catalog.tables, written, catalog.searchPath) ??
    addUnknownTable(catalog, schemaFor(catalog, written), written.name, place);
  const wanted = texts(node.pk_attrs);
  const found = wanted.flatMap((name) => findColumn(target, name) ?? []);
  if (target.isKnown && found.length < wanted.length) return ["it points to a column that the files do not make"];
  const targetColumns = wanted.length > 0 ? found : primaryKeyOf(target);
  table.constraints.push({
    kind: "foreign key",
    name: node.conname ?? chooseConstraintName(catalog, table, names, "fkey"),
    columns,
    target,
    targetColumns: target.isKnown ? targetColumns : null,
    onUpdate: actions[node.fk_upd_action ?? "a"] ?? "no action",
    onDelete: actions[node.fk_del_action ?? "a"] ?? "no action",
  });
  return [];
}

export function primaryKeyOf(table: Table): Column[] {
  const key = table.constraints.find(({ kind }) => kind === "primary key");
  return key !== undefined && "index" in key ? key.index.keys.flatMap((column) => column ?? []) : [];
}

/** A table that others point to, like auth.users, and that no file makes. */
function addUnknownTable(catalog: Catalog, schema: string, name: string, place: Place): Table {
  const table: Table = {
    schema,
    name,
    kind: "table",
    isKnown: false,
    formerNames: [],
    columns: [],
    constraints: [],
    indexes: [],
    comment: null,
    hasRowLevelSecurity: false,
    place,
  };
  catalog.tables.push(table);
  return table;
}

/** `create unique index`; of others only the name counts. */
export function addIndex(catalog: Catalog, table: Table, node: IndexStmt): Reason[] {
  const elements = indexElements(node.indexParams);
  const taken = node.idxname !== undefined && isIndex(catalog, table.schema, node.idxname);
  if (taken) return node.if_not_exists ? [] : ["an index of this name is there already"];
  const parts = nameParts([...elements, ...indexElements(node.indexIncludingParams)]);
  const name = node.idxname ?? chooseRelationName(catalog, table, parts, "idx");
  if (!node.unique) {
    catalog.otherRelations.push({ schema: table.schema, name });
    return [];
  }
  const find = (each: string) => findColumn(table, each) ?? [];
  const keys = elements.map((element) =>
    element.name === undefined ? null : (findColumn(table, element.name) ?? null),
  );
  if (elements.some((element, place) => element.name !== undefined && keys[place] === null)) {
    return ["it names a column that the files do not make"];
  }
  const ofExpressions = columnNames(elements.map(({ expr }) => expr)).flatMap(find);
  const included = indexElements(node.indexIncludingParams).flatMap((element) => find(element.name ?? ""));
  table.indexes.push({
    name,
    keys,
    others: [...ofExpressions, ...columnNames(node.whereClause).flatMap(find), ...included],
    ofExpressions,
    isPartial: node.whereClause !== undefined,
    parts,
    isImmediate: true,
  });
  return [];
}

function indexElements(nodes: readonly Node[] | undefined): IndexElem[] {
  return (nodes ?? []).flatMap((each) => ("IndexElem" in each ? [each.IndexElem] : []));
}

function isIndex({ tables, otherRelations }: Catalog, schema: string, name: string): boolean {
  return (
    otherRelations.some((each) => each.schema === schema && each.name === name) ||
    tables.some((table) => table.schema === schema && table.indexes.some((index) => index.name === name))
  );
}

/** What PostgreSQL makes a name of an index from: columns, the name of a function, else `expr`. */
function nameParts(elements: readonly IndexElem[]): string[] {
  const parts: string[] = [];
  for (const { name, expr } of elements) {
    const part = name ?? nameOfExpression(expr);
    let free = part;
    for (let number = 1; parts.includes(free); number += 1) free = `${part}${number}`;
    parts.push(free);
  }
  return parts;
}

function nameOfExpression(node: Node | undefined): string {
  if (node === undefined) return "expr";
  if ("FuncCall" in node) return texts(node.FuncCall.funcname).at(-1) ?? "expr";
  if ("CoalesceExpr" in node) return "coalesce";
  if ("TypeCast" in node) {
    const inner = nameOfExpression(node.TypeCast.arg);
    return inner === "expr" ? (texts(node.TypeCast.typeName?.names).at(-1) ?? inner) : inner;
  }
  return "ColumnRef" in node ? (texts(node.ColumnRef.fields).at(-1) ?? "expr") : "expr";
}

/** What is left of a table's constraints and indexes without a column, and without what other tables had on them. */
export function dropColumn(catalog: Catalog, table: Table, column: Column): void {
  table.columns = table.columns.filter((each) => each !== column);
  const gone = table.indexes.filter(({ keys, others }) => keys.includes(column) || others.includes(column));
  dropIndexes(catalog, table, gone);
  dropSequences(catalog, ({ owner }) => owner === column);
  for (const each of catalog.tables) {
    each.constraints = each.constraints.filter((constraint) => !isOn(constraint, column));
  }
}

/** Sequences, and the defaults of other columns that take numbers from them. */
export function dropSequences(catalog: Catalog, isGone: (sequence: Sequence) => boolean): void {
  const gone = catalog.sequences.filter(isGone).map((sequence) => defaultOfSequence(sequence).print());
  catalog.sequences = catalog.sequences.filter((sequence) => !isGone(sequence));
  for (const column of catalog.tables.flatMap(({ columns }) => columns)) {
    const written = column.default?.print();
    if (written !== undefined && gone.some((each) => written.includes(each))) column.default = null;
  }
}

function isOn(constraint: Constraint, column: Column): boolean {
  return (
    constraint.kind === "foreign key" &&
    (constraint.columns.includes(column) || (constraint.targetColumns?.includes(column) ?? false))
  );
}

/** Indexes, their constraints, and the foreign keys that rest on those. */
export function dropIndexes(catalog: Catalog, table: Table, gone: readonly UniqueIndex[]): void {
  table.indexes = table.indexes.filter((index) => !gone.includes(index));
  table.constraints = table.constraints.filter((each) => !("index" in each) || !gone.includes(each.index));
  for (const index of gone) {
    for (const other of catalog.tables) {
      other.constraints = other.constraints.filter(
        (each) => each.kind !== "foreign key" || each.target !== table || !restsOn(table, each.targetColumns, index),
      );
    }
  }
}

/** Whether no other index of the table keeps the columns unique that a foreign key points to. */
function restsOn(table: Table, columns: readonly Column[] | null, gone: UniqueIndex): boolean {
  const isOf = (index: UniqueIndex) =>
    columns !== null &&
    index.keys.length === columns.length &&
    !index.isPartial &&
    columns.every((column) => index.keys.includes(column));
  return isOf(gone) && !table.indexes.some(isOf);
}
