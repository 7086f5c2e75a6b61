import type { Reference, TableName } from "../mapping.ts";

/** Where something was read: a file of the project, with slashes, and a line of it, counted from 1. */
export type Place = { file: string; line: number };

/** A type that is not of PostgreSQL itself. Columns hold the type, not its name, so that a rename reaches them. */
export type OwnType = TableName & {
  kind: "enum" | "domain" | "other";
  /** Of an enum, in their order. A default holds the label, not its text, so that a rename reaches it. */
  labels: { text: string }[];
  /** Of a domain. */
  of: DataType | null;
  isNotNull: boolean;
  hasDefault: boolean;
};

export type DataType = {
  /** A name in pg_catalog, or a type of the files. */
  base: string | OwnType;
  /** What stands in parentheses: a length, a precision. */
  modifiers: readonly number[];
  isArray: boolean;
};

/** A default as the catalog would write it; the names in it are looked up when it is printed, since they may change. */
export type Expression = {
  print: () => string;
  /** False where PostgreSQL may write it otherwise. */
  isExact: boolean;
};

export type Column = {
  name: string;
  type: DataType;
  isNotNull: boolean;
  default: Expression | null;
  generated: "no" | "always" | "by default" | "computed";
  place: Place;
};

/** An index that is unique. */
export type UniqueIndex = {
  name: string;
  /** What its uniqueness is of: a column, or null for an expression. */
  keys: readonly (Column | null)[];
  /** Columns that the index needs beside its keys: of expressions, of its condition, included ones. */
  others: readonly Column[];
  /** Columns of the expressions that are keys. */
  ofExpressions: readonly Column[];
  isPartial: boolean;
  /** What its columns were called when it was made: PostgreSQL names a copy of it by these. */
  parts: readonly string[];
  isImmediate: boolean;
};

export type Constraint = { name: string } & (
  | { kind: "primary key" | "unique"; index: UniqueIndex; isDeferrable: boolean }
  | {
      kind: "foreign key";
      columns: readonly Column[];
      target: Table;
      /** Null: the primary key of a table that the files do not make. */
      targetColumns: readonly Column[] | null;
      onUpdate: Reference["onUpdate"];
      onDelete: Reference["onDelete"];
    }
  | { kind: "other" }
);

export type Sequence = TableName & { owner: Column | null };

export type Table = TableName & {
  kind: "table" | "view";
  /** False: other tables point to it, and no file makes it. */
  isKnown: boolean;
  /** Names that it had before, under which a statement may have named it. */
  formerNames: string[];
  columns: Column[];
  constraints: Constraint[];
  indexes: UniqueIndex[];
  comment: string | null;
  hasRowLevelSecurity: boolean;
  place: Place;
};

/** A statement, or a part of a schema file, that could not be taken into account. */
export type Unread = {
  place: Place;
  /** Its beginning, on one line. */
  statement: string;
  /** Why, as the end of a sentence. */
  reason: string;
  /** All of it, to find the tables that it names. */
  text: string;
};

/** Why something could not be read; a text alone is of the whole statement. */
export type Reason = string | { reason: string; place: Place };

/** What the files make, as the catalog of a database would know it. */
export type Catalog = {
  tables: Table[];
  types: OwnType[];
  sequences: Sequence[];
  /** Indexes that are not unique: only their names count. */
  otherRelations: TableName[];
  functions: TableName[];
  /** The schema of each extension. */
  extensions: Map<string, string>;
  /** The schema of an extension that no file creates. */
  extensionSchema: string;
  searchPath: readonly string[];
  unread: Unread[];
};

export const defaultSearchPath: readonly string[] = ["public"];

export function createCatalog({ extensionSchema }: Pick<Catalog, "extensionSchema">): Catalog {
  return {
    tables: [],
    types: [],
    sequences: [],
    otherRelations: [],
    functions: [],
    extensions: new Map(),
    extensionSchema,
    searchPath: defaultSearchPath,
    unread: [],
  };
}

/** A name as a statement has it: without a schema it is looked up. */
export type WrittenName = { schema: string | null; name: string };

export function findByName<Found extends TableName>(
  list: readonly Found[],
  { schema, name }: WrittenName,
  searchPath: readonly string[],
): Found | undefined {
  const schemas = schema === null ? searchPath : [schema];
  for (const each of schemas) {
    const found = list.find((candidate) => candidate.schema === each && candidate.name === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Where a statement makes what has no schema in its name. */
export function schemaFor({ searchPath }: Catalog, { schema }: WrittenName): string {
  return schema ?? searchPath[0] ?? "public";
}
