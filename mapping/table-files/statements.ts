import type {
  AlterDomainStmt,
  AlterEnumStmt,
  AlterObjectSchemaStmt,
  CommentStmt,
  CreateDomainStmt,
  CreateExtensionStmt,
  DropStmt,
  IndexStmt,
  Node,
  RangeVar,
  RenameStmt,
  SelectStmt,
  VariableSetStmt,
} from "libpg-query";
import {
  type Catalog,
  defaultSearchPath,
  findByName,
  type OwnType,
  type Reason,
  schemaFor,
  type Table,
  type WrittenName,
} from "./catalog.ts";
import { addIndex, dropColumn, dropIndexes, dropSequences, findColumn } from "./constraints.ts";
import { resolveType } from "./data-types.ts";
import { constantOf, nameOfObject, qualifiedName, texts } from "./nodes.ts";
import { readDefault } from "./read-default.ts";
import { alterTable, createTable, type PlaceOf } from "./tables.ts";

/**
 * Takes one statement into the catalog; statements that make or change no table, column, key or type are passed over.
 * Answers why it, or parts of it, could not be read.
 */
export function takeStatement(catalog: Catalog, node: Node, placeOf: PlaceOf): Reason[] {
  if ("CreateStmt" in node) return createTable(catalog, node.CreateStmt, placeOf);
  if ("AlterTableStmt" in node) return alterTable(catalog, node.AlterTableStmt, placeOf);
  if ("IndexStmt" in node) return createIndex(catalog, node.IndexStmt);
  if ("ViewStmt" in node) return createOpaque(catalog, node.ViewStmt.view, "view", placeOf);
  if ("CreateTableAsStmt" in node) {
    const { into, objtype, if_not_exists: isOptional } = node.CreateTableAsStmt;
    return createOpaque(catalog, into?.rel, objtype === "OBJECT_TABLE" ? "table" : "view", placeOf, isOptional);
  }
  if ("CreateForeignTableStmt" in node) {
    return createOpaque(catalog, node.CreateForeignTableStmt.base?.relation, "view", placeOf);
  }
  if ("RenameStmt" in node) return rename(catalog, node.RenameStmt);
  if ("AlterObjectSchemaStmt" in node) return setSchema(catalog, node.AlterObjectSchemaStmt);
  if ("DropStmt" in node) return drop(catalog, node.DropStmt);
  if ("CommentStmt" in node) return comment(catalog, node.CommentStmt);
  if ("VariableSetStmt" in node) return setVariable(catalog, node.VariableSetStmt);
  if ("SelectStmt" in node) return setBySelect(catalog, node.SelectStmt);
  return takeType(catalog, node);
}

function takeType(catalog: Catalog, node: Node): Reason[] {
  if ("CreateEnumStmt" in node) {
    const { typeName, vals } = node.CreateEnumStmt;
    return addType(catalog, qualifiedName(typeName), { kind: "enum", labels: texts(vals).map((text) => ({ text })) });
  }
  if ("AlterEnumStmt" in node) return alterEnum(catalog, node.AlterEnumStmt);
  if ("CreateDomainStmt" in node) return createDomain(catalog, node.CreateDomainStmt);
  if ("AlterDomainStmt" in node) return alterDomain(catalog, node.AlterDomainStmt);
  if ("CompositeTypeStmt" in node) {
    return addType(catalog, nameOfRange(node.CompositeTypeStmt.typevar), { kind: "other" });
  }
  if ("CreateRangeStmt" in node)
    return addType(catalog, qualifiedName(node.CreateRangeStmt.typeName), { kind: "other" });
  if ("DefineStmt" in node && node.DefineStmt.kind === "OBJECT_TYPE") {
    return addType(catalog, qualifiedName(node.DefineStmt.defnames), { kind: "other" });
  }
  if ("CreateSeqStmt" in node) {
    const written = nameOfRange(node.CreateSeqStmt.sequence);
    const schema = schemaFor(catalog, written);
    const isThere = catalog.sequences.some((each) => each.schema === schema && each.name === written.name);
    if (!isThere) catalog.sequences.push({ schema, name: written.name, owner: null });
  }
  if ("AlterSeqStmt" in node)
    ownSequence(catalog, nameOfRange(node.AlterSeqStmt.sequence), node.AlterSeqStmt.options ?? []);
  if ("CreateExtensionStmt" in node) createExtension(catalog, node.CreateExtensionStmt);
  if ("CreateFunctionStmt" in node) {
    const written = qualifiedName(node.CreateFunctionStmt.funcname);
    catalog.functions.push({ schema: schemaFor(catalog, written), name: written.name });
  }
  return [];
}

function nameOfRange(range: RangeVar | undefined): WrittenName {
  return { schema: range?.schemaname ?? null, name: range?.relname ?? "" };
}

function findTable(catalog: Catalog, written: WrittenName): Table | undefined {
  const found = findByName(catalog.tables, written, catalog.searchPath);
  return found?.isKnown ? found : undefined;
}

const notMade = "the files do not make what it names";

function createIndex(catalog: Catalog, node: IndexStmt): Reason[] {
  const table = findTable(catalog, nameOfRange(node.relation));
  if (table === undefined) return node.unique ? ["the files do not make this table"] : [];
  return addIndex(catalog, table, node);
}

/** A table whose columns are those of a query: it is known to be there, and no more. */
function createOpaque(
  catalog: Catalog,
  relation: RangeVar | undefined,
  kind: Table["kind"],
  placeOf: PlaceOf,
  isOptional = false,
): Reason[] {
  const written = nameOfRange(relation);
  if (relation === undefined || relation.relpersistence === "t") return [];
  const schema = schemaFor(catalog, written);
  const known = catalog.tables.find((each) => each.schema === schema && each.name === written.name);
  if (known?.isKnown) return isOptional || kind === "view" ? [] : ["a table of this name is there already"];
  const table: Table = {
    schema,
    name: written.name,
    kind,
    isKnown: true,
    formerNames: [],
    columns: [],
    constraints: [],
    indexes: [],
    comment: null,
    hasRowLevelSecurity: false,
    place: placeOf(relation.location),
  };
  if (known === undefined) catalog.tables.push(table);
  else Object.assign(known, table);
  return kind === "view" ? [] : ["its columns are those of a query"];
}

function rename(catalog: Catalog, node: RenameStmt): Reason[] {
  const { renameType, subname = "", newname = "" } = node;
  switch (renameType) {
    case "OBJECT_TABLE":
    case "OBJECT_VIEW":
    case "OBJECT_MATVIEW":
    case "OBJECT_FOREIGN_TABLE":
    case "OBJECT_INDEX":
    case "OBJECT_SEQUENCE":
      return renameRelation(catalog, nameOfRange(node.relation), newname, node.missing_ok ?? false);
    case "OBJECT_COLUMN": {
      const table = findTable(catalog, nameOfRange(node.relation));
      const column = table && findColumn(table, subname);
      if (column === undefined) return table?.kind === "view" || node.missing_ok ? [] : [notMade];
      column.name = newname;
      return [];
    }
    case "OBJECT_TABCONSTRAINT": {
      const table = findTable(catalog, nameOfRange(node.relation));
      const constraint = table?.constraints.find(({ name }) => name === subname);
      if (constraint === undefined) return node.missing_ok ? [] : [notMade];
      constraint.name = newname;
      if ("index" in constraint) constraint.index.name = newname;
      return [];
    }
    case "OBJECT_TYPE":
    case "OBJECT_DOMAIN": {
      const type = findByName(catalog.types, nameOfObject(node.object), catalog.searchPath);
      if (type !== undefined) type.name = newname;
      return type === undefined ? [notMade] : [];
    }
    case "OBJECT_SCHEMA":
      renameSchema(catalog, subname, newname);
      return [];
    default:
      return [];
  }
}

function renameRelation(catalog: Catalog, written: WrittenName, name: string, isOptional: boolean): Reason[] {
  const table = findTable(catalog, written);
  if (table !== undefined) {
    table.formerNames.push(table.name);
    table.name = name;
    return [];
  }
  const sequence = findByName(catalog.sequences, written, catalog.searchPath);
  const other = findByName(catalog.otherRelations, written, catalog.searchPath);
  const found = sequence ?? other ?? findIndex(catalog, written)?.index;
  if (found === undefined) return isOptional ? [] : [notMade];
  found.name = name;
  const constraint = catalog.tables
    .flatMap(({ constraints }) => constraints)
    .find((each) => "index" in each && each.index === found);
  if (constraint !== undefined) constraint.name = name;
  return [];
}

function findIndex(catalog: Catalog, { schema, name }: WrittenName) {
  const schemas = schema === null ? catalog.searchPath : [schema];
  for (const each of schemas) {
    for (const table of catalog.tables.filter((candidate) => candidate.schema === each)) {
      const index = table.indexes.find((candidate) => candidate.name === name);
      if (index !== undefined) return { table, index };
    }
  }
  return undefined;
}

function renameSchema(catalog: Catalog, before: string, after: string): void {
  const { tables, types, sequences, otherRelations, functions } = catalog;
  for (const each of [tables, types, sequences, otherRelations, functions].flat()) {
    if (each.schema === before) each.schema = after;
  }
  for (const [extension, schema] of catalog.extensions) {
    if (schema === before) catalog.extensions.set(extension, after);
  }
}

function setSchema(catalog: Catalog, node: AlterObjectSchemaStmt): Reason[] {
  const { objectType, newschema = "", missing_ok: isOptional } = node;
  if (objectType === "OBJECT_TYPE" || objectType === "OBJECT_DOMAIN") {
    const type = findByName(catalog.types, nameOfObject(node.object), catalog.searchPath);
    if (type !== undefined) type.schema = newschema;
    return type === undefined ? [notMade] : [];
  }
  if (objectType === "OBJECT_EXTENSION") {
    catalog.extensions.set(nameOfObject(node.object).name, newschema);
    return [];
  }
  if (objectType !== "OBJECT_TABLE" && objectType !== "OBJECT_VIEW" && objectType !== "OBJECT_SEQUENCE") return [];
  const written = nameOfRange(node.relation);
  const table = findTable(catalog, written);
  const found = table ?? findByName(catalog.sequences, written, catalog.searchPath);
  if (found === undefined) return isOptional ? [] : [notMade];
  found.schema = newschema;
  for (const sequence of catalog.sequences) {
    if (sequence.owner !== null && table?.columns.includes(sequence.owner)) sequence.schema = newschema;
  }
  return [];
}

function drop(catalog: Catalog, { removeType, objects = [], missing_ok: isOptional = false }: DropStmt): Reason[] {
  return objects.flatMap((object) => {
    const written = nameOfObject(object);
    switch (removeType) {
      case "OBJECT_TABLE":
      case "OBJECT_VIEW":
      case "OBJECT_MATVIEW":
      case "OBJECT_FOREIGN_TABLE": {
        const table = findTable(catalog, written);
        if (table !== undefined) dropTable(catalog, table);
        return table === undefined && !isOptional ? [notMade] : [];
      }
      case "OBJECT_TYPE":
      case "OBJECT_DOMAIN": {
        const type = findByName(catalog.types, written, catalog.searchPath);
        if (type !== undefined) dropType(catalog, type);
        return [];
      }
      case "OBJECT_INDEX":
        return dropIndex(catalog, written, isOptional);
      case "OBJECT_SEQUENCE": {
        const sequence = findByName(catalog.sequences, written, catalog.searchPath);
        dropSequences(catalog, (each) => each === sequence);
        return [];
      }
      case "OBJECT_SCHEMA":
        for (const table of catalog.tables.filter(({ schema }) => schema === written.name)) dropTable(catalog, table);
        for (const type of catalog.types.filter(({ schema }) => schema === written.name)) dropType(catalog, type);
        return [];
      case "OBJECT_EXTENSION":
        catalog.extensions.delete(written.name);
        return [];
      default:
        return [];
    }
  });
}

function dropTable(catalog: Catalog, table: Table): void {
  catalog.tables = catalog.tables.filter((each) => each !== table);
  dropSequences(catalog, ({ owner }) => owner !== null && table.columns.includes(owner));
  for (const each of catalog.tables) {
    each.constraints = each.constraints.filter(
      (constraint) => constraint.kind !== "foreign key" || constraint.target !== table,
    );
  }
}

/** With cascade, since PostgreSQL refuses to drop a type that a column has without it. */
function dropType(catalog: Catalog, type: OwnType): void {
  catalog.types = catalog.types.filter((each) => each !== type);
  for (const table of catalog.tables) {
    for (const column of table.columns.filter((each) => each.type.base === type)) dropColumn(catalog, table, column);
  }
}

function dropIndex(catalog: Catalog, written: WrittenName, isOptional: boolean): Reason[] {
  const found = findIndex(catalog, written);
  if (found !== undefined) {
    dropIndexes(catalog, found.table, [found.index]);
    return [];
  }
  const other = findByName(catalog.otherRelations, written, catalog.searchPath);
  catalog.otherRelations = catalog.otherRelations.filter((each) => each !== other);
  return other === undefined && !isOptional ? [notMade] : [];
}

function comment(catalog: Catalog, { objtype, object, comment: text }: CommentStmt): Reason[] {
  if (objtype !== "OBJECT_TABLE") return [];
  const table = findTable(catalog, nameOfObject(object));
  if (table !== undefined) table.comment = text || null;
  return [];
}

function setVariable(catalog: Catalog, { kind, name, args = [] }: VariableSetStmt): Reason[] {
  if (kind === "VAR_RESET_ALL") catalog.searchPath = defaultSearchPath;
  if (name !== "search_path") return [];
  const schemas = args.flatMap((node) => constantOf(node)?.sval?.sval ?? []);
  setSearchPath(catalog, kind === "VAR_SET_VALUE" ? schemas : defaultSearchPath);
  return [];
}

/** `select set_config('search_path', '', false)`, with which a dump begins. */
function setBySelect(catalog: Catalog, { targetList = [] }: SelectStmt): Reason[] {
  for (const target of targetList) {
    if (!("ResTarget" in target) || target.ResTarget.val === undefined) continue;
    const { val } = target.ResTarget;
    if (!("FuncCall" in val) || qualifiedName(val.FuncCall.funcname).name !== "set_config") continue;
    const [name, value] = (val.FuncCall.args ?? []).map((node) => constantOf(node)?.sval);
    if (name?.sval === "search_path" && value !== undefined)
      setSearchPath(catalog, (value.sval ?? "").split(/\s*,\s*/));
  }
  return [];
}

function setSearchPath(catalog: Catalog, schemas: readonly string[]): void {
  catalog.searchPath = schemas.filter(
    (schema) => !["", '""', "$user", '"$user"', "pg_catalog", "pg_temp"].includes(schema),
  );
}

function addType(
  catalog: Catalog,
  written: WrittenName,
  type: Pick<OwnType, "kind"> & Partial<Pick<OwnType, "labels" | "of" | "isNotNull" | "hasDefault">>,
): Reason[] {
  const schema = schemaFor(catalog, written);
  if (catalog.types.some((each) => each.schema === schema && each.name === written.name)) {
    return ["a type of this name is there already"];
  }
  catalog.types.push({
    labels: [],
    of: null,
    isNotNull: false,
    hasDefault: false,
    ...type,
    schema,
    name: written.name,
  });
  return [];
}

function alterEnum(catalog: Catalog, node: AlterEnumStmt): Reason[] {
  const type = findByName(catalog.types, qualifiedName(node.typeName), catalog.searchPath);
  const { newVal = "", oldVal, newValNeighbor, newValIsAfter = false, skipIfNewValExists: isOptional } = node;
  if (type?.kind !== "enum") return [notMade];
  const place = type.labels.findIndex(({ text }) => text === (oldVal ?? newValNeighbor));
  const neighbour = type.labels[place];
  const wanted = oldVal ?? newValNeighbor;
  if (wanted !== undefined && neighbour === undefined) return ["the enum has no such label"];
  if (oldVal !== undefined && neighbour !== undefined) {
    neighbour.text = newVal;
    return [];
  }
  if (type.labels.some(({ text }) => text === newVal)) return isOptional ? [] : ["the enum has this label already"];
  const at = newValNeighbor === undefined ? type.labels.length : place + (newValIsAfter ? 1 : 0);
  type.labels.splice(at, 0, { text: newVal });
  return [];
}

function createDomain(catalog: Catalog, { domainname, typeName, constraints = [] }: CreateDomainStmt): Reason[] {
  const written = constraints.flatMap((each) => ("Constraint" in each ? [each.Constraint] : []));
  const value = written.find(({ contype }) => contype === "CONSTR_DEFAULT")?.raw_expr;
  const of = typeName === undefined ? null : resolveType(catalog, typeName).type;
  const type = typeof of?.base === "object" ? of.base : null;
  const hasDefault =
    value !== undefined && readDefault(catalog, value, { base: "text", modifiers: [], isArray: false }) !== null;
  return addType(catalog, qualifiedName(domainname), {
    kind: "domain",
    of,
    isNotNull: written.some(({ contype }) => contype === "CONSTR_NOTNULL"),
    // a domain over a domain takes the default of that one
    hasDefault: value === undefined ? (type?.hasDefault ?? false) : hasDefault,
  });
}

function alterDomain(catalog: Catalog, { subtype, typeName, def }: AlterDomainStmt): Reason[] {
  const type = findByName(catalog.types, qualifiedName(typeName), catalog.searchPath);
  if (type === undefined) return [notMade];
  if (subtype === "T") type.hasDefault = def !== undefined;
  if (subtype === "N") type.isNotNull = false;
  if (subtype === "O") type.isNotNull = true;
  return [];
}

function createExtension(catalog: Catalog, { extname = "", options = [] }: CreateExtensionStmt): void {
  const schema = options.flatMap((option) =>
    "DefElem" in option && option.DefElem.defname === "schema" ? texts(option.DefElem.arg && [option.DefElem.arg]) : [],
  )[0];
  if (!catalog.extensions.has(extname)) catalog.extensions.set(extname, schema ?? catalog.searchPath[0] ?? "public");
}

/** `alter sequence … owned by table.column` */
function ownSequence(catalog: Catalog, written: WrittenName, options: readonly Node[]): void {
  const sequence = findByName(catalog.sequences, written, catalog.searchPath);
  const owned = options.flatMap((option) =>
    "DefElem" in option && option.DefElem.defname === "owned_by" ? [option.DefElem.arg] : [],
  )[0];
  if (sequence === undefined || owned === undefined || !("List" in owned)) return;
  const parts = texts(owned.List.items);
  const table = findTable(catalog, { schema: parts.at(-3) ?? null, name: parts.at(-2) ?? "" });
  sequence.owner = (table && findColumn(table, parts.at(-1) ?? "")) ?? null;
}
