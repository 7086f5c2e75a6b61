import type {
  AlterTableCmd,
  AlterTableStmt,
  ColumnDef,
  Constraint as ConstraintNode,
  CreateStmt,
  Node,
  TableLikeClause,
} from "libpg-query";
import {
  type Catalog,
  type Column,
  findByName,
  type Place,
  type Reason,
  type Sequence,
  schemaFor,
  type Table,
  type UniqueIndex,
} from "./catalog.ts";
import {
  addConstraints,
  dropColumn,
  dropIndexes,
  dropSequences,
  findColumn,
  type WrittenConstraint,
} from "./constraints.ts";
import { resolveType } from "./data-types.ts";
import { chooseIndexedConstraintName, chooseRelationName } from "./names.ts";
import { defaultOfSequence, readDefault } from "./read-default.ts";

/** Where a node stands in its file. */
export type PlaceOf = (location: number | undefined) => Place;

/** `create table`. Answers why parts of it could not be read. */
export function createTable(catalog: Catalog, node: CreateStmt, placeOf: PlaceOf): Reason[] {
  const { relation, tableElts = [] } = node;
  if (relation === undefined || relation.relpersistence === "t") return [];
  const written = { schema: relation.schemaname ?? null, name: relation.relname ?? "" };
  const place = placeOf(relation.location);
  const schema = schemaFor(catalog, written);
  const known = catalog.tables.find((each) => each.schema === schema && each.name === written.name);
  if (known?.isKnown) return node.if_not_exists ? [] : ["a table of this name is there already"];
  const table: Table = {
    schema,
    name: written.name,
    kind: "table",
    isKnown: true,
    formerNames: [],
    columns: [],
    constraints: [],
    indexes: [],
    comment: null,
    hasRowLevelSecurity: false,
    place,
  };
  // a table that others pointed to keeps what points to it
  const made = known === undefined ? table : Object.assign(known, table);
  const reasons = inheritColumns(catalog, made, node, place);
  const constraints: WrittenConstraint[] = [];
  const likes: Like[] = [];
  for (const element of tableElts) {
    if ("ColumnDef" in element) constraints.push(...addColumn(catalog, made, element.ColumnDef, placeOf, reasons));
    if ("Constraint" in element) constraints.push({ node: element.Constraint, column: null });
    if ("TableLikeClause" in element) {
      const from = findLike(catalog, element.TableLikeClause);
      const like = from && { from, options: element.TableLikeClause.options ?? 0 };
      if (like === undefined) {
        reasons.push(notThere);
      } else {
        likes.push(like);
        copyColumns(catalog, made, like, place);
      }
    }
  }
  if (node.ofTypename !== undefined) reasons.push("its columns are those of a type");
  if (!catalog.tables.includes(made)) catalog.tables.push(made);
  reasons.push(...addConstraints(catalog, made, constraints, place));
  for (const like of likes) copyIndexes(catalog, made, like);
  return reasons;
}

/** The columns of `inherits (…)`, or of the table of which this is a partition. */
function inheritColumns(catalog: Catalog, table: Table, { inhRelations = [] }: CreateStmt, place: Place): Reason[] {
  return inhRelations.flatMap((each) => {
    const parent = "RangeVar" in each ? each.RangeVar : {};
    const written = { schema: parent.schemaname ?? null, name: parent.relname ?? "" };
    const found = findByName(catalog.tables, written, catalog.searchPath);
    if (found?.isKnown) table.columns.push(...found.columns.map((column) => inherit(column, place)));
    return found?.isKnown ? [] : [notThere];
  });
}

const notThere = "it takes columns from a table that the files do not make";

/** An identity stays with the table that has it. */
function inherit(column: Column, place: Place): Column {
  return { ...column, generated: column.generated === "computed" ? "computed" : "no", place };
}

/** A column, and the constraints that are written beside it. */
function addColumn(
  catalog: Catalog,
  table: Table,
  node: ColumnDef,
  placeOf: PlaceOf,
  reasons: Reason[],
): WrittenConstraint[] {
  const name = node.colname ?? "";
  if (node.typeName === undefined) {
    const inherited = findColumn(table, name);
    return inherited === undefined ? [] : describeColumn(catalog, table, { column: inherited, node }, reasons);
  }
  const { type, isSerial, isKnown } = resolveType(catalog, node.typeName);
  if (!isKnown) reasons.push({ reason: `no file makes the type of ${name}`, place: placeOf(node.location) });
  const column: Column = {
    name,
    type,
    isNotNull: isSerial,
    default: null,
    generated: "no",
    place: placeOf(node.location),
  };
  if (isSerial) column.default = defaultOfSequence(addSequence(catalog, table, column));
  table.columns.push(column);
  return describeColumn(catalog, table, { column, node }, reasons);
}

function addSequence(catalog: Catalog, table: Table, column: Column): Sequence {
  const name = chooseRelationName(catalog, table, [column.name], "seq");
  const sequence = { schema: table.schema, name, owner: column };
  catalog.sequences.push(sequence);
  return sequence;
}

function describeColumn(
  catalog: Catalog,
  table: Table,
  { column, node }: { column: Column; node: ColumnDef },
  reasons: Reason[],
): WrittenConstraint[] {
  const written = (node.constraints ?? []).flatMap((each) => ("Constraint" in each ? [each.Constraint] : []));
  const constraints: WrittenConstraint[] = [];
  for (const constraint of written) {
    const last = constraints.at(-1);
    if (constraint.contype === "CONSTR_ATTR_DEFERRABLE" && last !== undefined) {
      last.node = { ...last.node, deferrable: true };
    } else if (constraint.contype === "CONSTR_ATTR_DEFERRED" && last !== undefined) {
      last.node = { ...last.node, deferrable: true, initdeferred: true };
    } else if (constraint.contype === "CONSTR_DEFAULT") {
      const reason = setDefault(catalog, column, constraint.raw_expr);
      if (reason !== null) reasons.push({ reason, place: column.place });
    } else if (constraint.contype === "CONSTR_IDENTITY") {
      setIdentity(catalog, table, column, constraint);
    } else if (constraint.contype === "CONSTR_GENERATED") {
      column.generated = "computed";
    } else {
      constraints.push({ node: constraint, column });
    }
  }
  return constraints;
}

/** Why the default cannot be read, or null. */
function setDefault(catalog: Catalog, column: Column, node: Node | undefined): string | null {
  column.default = node === undefined ? null : readDefault(catalog, node, column.type);
  return column.default?.isExact === false ? `the default of ${column.name} is more than a file says` : null;
}

function setIdentity(catalog: Catalog, table: Table, column: Column, node: ConstraintNode): void {
  column.generated = node.generated_when === "a" ? "always" : "by default";
  column.isNotNull = true;
  addSequence(catalog, table, column);
}

/** `like another including …`, and what is copied of that other table. */
type Like = { from: Table; options: number };

const copies = { defaults: 8, generated: 16, identity: 32, indexes: 64 } as const;

function copyColumns(catalog: Catalog, table: Table, { from, options }: Like, place: Place): void {
  const takes = (what: keyof typeof copies) => (options & copies[what]) !== 0;
  for (const { name, type, isNotNull, default: value, generated } of from.columns) {
    const isComputed = generated === "computed";
    const isIdentity = generated === "always" || generated === "by default";
    const column: Column = {
      name,
      type,
      isNotNull,
      default: takes("defaults") ? value : null,
      generated: (isComputed && takes("generated")) || (isIdentity && takes("identity")) ? generated : "no",
      place,
    };
    if (column.generated === "always" || column.generated === "by default") addSequence(catalog, table, column);
    table.columns.push(column);
  }
}

function findLike({ tables, searchPath }: Catalog, { relation }: TableLikeClause): Table | undefined {
  const found = findByName(tables, { schema: relation?.schemaname ?? null, name: relation?.relname ?? "" }, searchPath);
  return found?.isKnown ? found : undefined;
}

function copyIndexes(catalog: Catalog, table: Table, { from, options }: Like): void {
  if ((options & copies.indexes) === 0) return;
  const own = (column: Column) => findColumn(table, column.name) ?? column;
  for (const index of from.indexes) {
    const constraint = from.constraints.find((each) => "index" in each && each.index === index);
    const { parts } = index;
    const name =
      constraint === undefined
        ? chooseRelationName(catalog, table, parts, "idx")
        : chooseIndexedConstraintName(catalog, table, parts, constraint.kind === "primary key" ? "pkey" : "key");
    const copy: UniqueIndex = {
      ...index,
      name,
      keys: index.keys.map((key) => key && own(key)),
      others: index.others.map(own),
      ofExpressions: index.ofExpressions.map(own),
    };
    table.indexes.push(copy);
    if (constraint !== undefined && "index" in constraint) table.constraints.push({ ...constraint, name, index: copy });
  }
}

/** The order in which PostgreSQL takes the actions of one statement; what is not here comes last. */
const passes: readonly (readonly AlterTableCmd["subtype"][])[] = [
  ["AT_DropColumn", "AT_DropConstraint", "AT_DropNotNull", "AT_DropIdentity", "AT_DropExpression"],
  ["AT_AlterColumnType"],
  ["AT_AddColumn"],
  ["AT_SetExpression"],
  ["AT_SetNotNull", "AT_SetIdentity"],
  ["AT_AddConstraint"],
  ["AT_ColumnDefault", "AT_AddIdentity"],
];

function passOf({ subtype, def }: AlterTableCmd): number {
  if (subtype === "AT_ColumnDefault" && def === undefined) return 0;
  const isForeign = def !== undefined && "Constraint" in def && def.Constraint.contype === "CONSTR_FOREIGN";
  const pass = passes.findIndex((each) => each.includes(subtype));
  return pass === -1 || isForeign ? passes.length : pass;
}

/** `alter table`. Answers why parts of it could not be read. */
export function alterTable(catalog: Catalog, node: AlterTableStmt, placeOf: PlaceOf): Reason[] {
  const { relation, cmds = [] } = node;
  if (relation === undefined || node.objtype !== "OBJECT_TABLE") return [];
  const written = { schema: relation.schemaname ?? null, name: relation.relname ?? "" };
  const table = findByName(catalog.tables, written, catalog.searchPath);
  if (table === undefined || !table.isKnown) {
    return node.missing_ok ? [] : ["the files do not make this table"];
  }
  const commands = cmds.flatMap((each) => ("AlterTableCmd" in each ? [each.AlterTableCmd] : []));
  return commands
    .toSorted((one, other) => passOf(one) - passOf(other))
    .flatMap((command) => alter(catalog, table, command, placeOf));
}

function alter(catalog: Catalog, table: Table, command: AlterTableCmd, placeOf: PlaceOf): Reason[] {
  const { subtype, def } = command;
  switch (subtype) {
    case "AT_AddColumn":
      return addLaterColumn(catalog, table, command, placeOf);
    case "AT_AddConstraint":
      if (def === undefined || !("Constraint" in def)) return [];
      return addConstraints(catalog, table, [{ node: def.Constraint, column: null }], placeOf(def.Constraint.location));
    case "AT_DropConstraint":
      return dropConstraint(catalog, table, command);
    case "AT_EnableRowSecurity":
      table.hasRowLevelSecurity = true;
      return [];
    case "AT_DisableRowSecurity":
      table.hasRowLevelSecurity = false;
      return [];
    case "AT_AttachPartition":
    case "AT_DetachPartition":
    case "AT_AddInherit":
      return ["partitions and inheritance are not read"];
    default:
      return alterColumn(catalog, table, command);
  }
}

function addLaterColumn(
  catalog: Catalog,
  table: Table,
  { def, missing_ok: isOptional }: AlterTableCmd,
  placeOf: PlaceOf,
): Reason[] {
  if (def === undefined || !("ColumnDef" in def)) return [];
  if (findColumn(table, def.ColumnDef.colname ?? "") !== undefined) {
    return isOptional ? [] : ["a column of this name is there already"];
  }
  const reasons: Reason[] = [];
  const constraints = addColumn(catalog, table, def.ColumnDef, placeOf, reasons);
  return [...reasons, ...addConstraints(catalog, table, constraints, placeOf(def.ColumnDef.location))];
}

function dropConstraint(
  catalog: Catalog,
  table: Table,
  { name = "", missing_ok: isOptional }: AlterTableCmd,
): Reason[] {
  const constraint = table.constraints.find((each) => each.name === name);
  if (constraint === undefined) return isOptional ? [] : ["the files do not make this constraint"];
  if ("index" in constraint) dropIndexes(catalog, table, [constraint.index]);
  table.constraints = table.constraints.filter((each) => each !== constraint);
  return [];
}

function alterColumn(
  catalog: Catalog,
  table: Table,
  { subtype, name = "", def, missing_ok: isOptional }: AlterTableCmd,
): Reason[] {
  const changes = passes.flat();
  if (!changes.includes(subtype)) return []; // an owner, statistics, storage and the like
  const column = findColumn(table, name);
  if (column === undefined) return isOptional ? [] : [`the files do not make the column ${name}`];
  const reasons: Reason[] = [];
  switch (subtype) {
    case "AT_DropColumn":
      dropColumn(catalog, table, column);
      break;
    case "AT_SetNotNull":
      column.isNotNull = true;
      break;
    case "AT_DropNotNull":
      column.isNotNull = false;
      break;
    case "AT_ColumnDefault":
      reasons.push(...[setDefault(catalog, column, def)].flatMap((reason) => reason ?? []));
      break;
    case "AT_AddIdentity":
      if (def !== undefined && "Constraint" in def) setIdentity(catalog, table, column, def.Constraint);
      break;
    case "AT_SetIdentity":
      column.generated = identityOf(def) ?? column.generated;
      break;
    case "AT_DropIdentity":
      if (column.generated === "computed" || column.generated === "no") break;
      column.generated = "no";
      dropSequences(catalog, ({ owner }) => owner === column);
      break;
    case "AT_DropExpression":
      if (column.generated === "computed") column.generated = "no";
      break;
    case "AT_AlterColumnType":
      reasons.push(...changeType(catalog, column, def));
      break;
    default:
      break;
  }
  return reasons;
}

/** `set generated always` */
function identityOf(node: Node | undefined): Column["generated"] | null {
  const options = node !== undefined && "List" in node ? (node.List.items ?? []) : [];
  for (const option of options) {
    if (!("DefElem" in option) || option.DefElem.defname !== "generated") continue;
    const { arg } = option.DefElem;
    const code = arg !== undefined && "Integer" in arg ? arg.Integer.ival : undefined;
    return code === "a".charCodeAt(0) ? "always" : "by default";
  }
  return null;
}

function changeType(catalog: Catalog, column: Column, def: Node | undefined): Reason[] {
  if (def === undefined || !("ColumnDef" in def) || def.ColumnDef.typeName === undefined) return [];
  const { type, isKnown } = resolveType(catalog, def.ColumnDef.typeName);
  column.type = type;
  return isKnown ? [] : [`no file makes the type of ${column.name}`];
}
