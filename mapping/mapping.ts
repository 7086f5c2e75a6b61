import type {
  InvitationSource,
  MembershipSource,
  OrganizationSource,
  RoleSource,
  UserSource,
} from "#core/config/sources.ts";

/** The name of a table as the catalog has it, without quotes. */
export type TableName = { schema: string; name: string };

/** What the sync can write into: a type of PostgreSQL that a source can be cast to. */
export type ColumnType =
  | { kind: "text" | "citext" | "boolean" | "integer" | "bigint" | "smallint" | "double precision" | "uuid" }
  | { kind: "numeric" | "date" | "timestamp" | "timestamptz" | "json" | "jsonb" | "text[]" }
  | { kind: "varchar"; length: number | null }
  | { kind: "enum"; schema: string; name: string; labels: readonly string[] }
  /** Anything else, as format_type writes it: the sync does not write it. */
  | { kind: "other"; name: string };

/** What the catalog, or a file read as text, says of a column. */
export type ColumnFacts = {
  name: string;
  type: ColumnType;
  /** The type as a cast names it, precise and with its schema: `timestamp(3)`, `extensions.citext`, `public."UserRole"`. */
  sqlType: string;
  isNotNull: boolean;
  /** A default, an identity or a serial: a row can be made without a value. Not auth.uid(), which is null in the sync. */
  hasDefault: boolean;
  /** The default as the catalog writes it; null without one, and where a file does not say how PostgreSQL writes it. */
  defaultExpression: string | null;
  /** The sync cannot write a generated column, nor an identity that is generated always. */
  isGenerated: boolean;
};

/** A foreign key of another table, or of the table itself, on the mapped table. */
export type Reference = {
  constraint: string;
  table: TableName;
  columns: readonly string[];
  /** The columns of the mapped table. */
  references: readonly string[];
  onUpdate: "no action" | "restrict" | "cascade" | "set null" | "set default";
  onDelete: "no action" | "restrict" | "cascade" | "set null" | "set default";
};

export type TableFacts = {
  table: TableName;
  /** False for a view and the like, which have no keys. */
  isTable: boolean;
  /** The migration made it (its comment says so): columns may be added. */
  isOurs: boolean;
  columns: readonly ColumnFacts[];
  primaryKey: readonly string[];
  /** Whole, valid, immediate unique indexes without expressions, the primary key included. */
  uniques: readonly (readonly string[])[];
  /** Columns that a unique index of another kind is on by themselves: partial, or over an expression like lower(email). */
  partlyUnique: readonly string[];
  /** Unique constraints on one column that are deferrable: an upsert does not take them. */
  deferrables: readonly { constraint: string; column: string }[];
  /** Foreign keys of the mapped table on others, by column. */
  pointsTo: readonly { constraint: string; columns: readonly string[]; table: TableName }[];
  references: readonly Reference[];
  hasRowLevelSecurity: boolean;
};

/** What is known of each table; null: the migration makes it. */
export type KnownTables = { users: TableFacts | null } & Partial<Record<KindSection, TableFacts | null>>;

/** A default as the configuration gives it; a text may contain {id}, which stands for the Clerk id. */
export type DefaultValue = string | number | boolean | null;

export type MappedColumn = {
  name: string;
  source: UserSource;
  type: ColumnType;
  /** As in ColumnFacts. */
  sqlType: string;
  isNotNull: boolean;
  /** By itself, by an index of any kind: two rows cannot have the same value, or not always. */
  isUnique: boolean;
  /** It may not be null, and has a default of its own, which stands where Clerk has no value. */
  usesOwnDefault: boolean;
  /** The default of the column as SQL; null without one. */
  ownDefault: string | null;
  /** The sync can look rows up by the column: a whole unique index is on it alone. */
  isWhollyUnique: boolean;
  /** Undefined when the configuration gives none: an empty value is null then. */
  default: DefaultValue | undefined;
  write: "always" | "once";
  /** The values that may be written; the labels where the column is an enum; null: all. */
  allowed: readonly string[] | null;
};

/** The table of users, and what goes where: all that the generated SQL is made of. */
export type UsersMapping = {
  table: TableName;
  key: {
    name: string;
    type: ColumnType;
    sqlType: string;
    isPrimaryKey: boolean;
    /** A text that stands where there is no Clerk id, because the column's default writes it. */
    emptyText: string | null;
  };
  /** The column that names a row to a person: the primary key where it is one column, else the key. */
  rowId: string;
  columns: readonly MappedColumn[];
  linkBy: "email" | null;
  /** Where rows are marked instead of deleted. */
  softDelete: { column: string; type: ColumnType; sqlType: string } | null;
  access: { kind: "leave" } | { kind: "own_row"; editable: readonly string[] };
  /** Whether the migration makes the table. */
  isMade: boolean;
  references: readonly Reference[];
};

/** A kind of record besides users, as job_queue.kind has it. */
export type KindName = "organization" | "membership" | "role" | "invitation";

/** The sections of the configuration about kinds besides users, in the order in which their tables are made. */
export const kindSections = ["organizations", "memberships", "roles", "invitations"] as const;

export type KindSection = (typeof kindSections)[number];

export type KindSource = OrganizationSource | MembershipSource | RoleSource | InvitationSource;

export type MappedKindColumn = Omit<MappedColumn, "source"> & {
  source: KindSource;
  /** The column of the table of users, or of organizations, whose value is written; null: Clerk's id. */
  as: string | null;
};

/** The table of a kind besides users, and what goes where. */
export type KindMapping = {
  kind: KindName;
  table: TableName;
  /** The column with Clerk's id of the record. */
  key: { name: string; type: ColumnType; sqlType: string; isPrimaryKey: boolean };
  /** In the order of the file, without the key. */
  columns: readonly MappedKindColumn[];
  softDelete: UsersMapping["softDelete"];
  access: "leave" | "none" | "members";
  /** Whether the migration makes the table. */
  isMade: boolean;
};

/** Null: the kind is off. */
export type KindMappings = Record<KindSection, KindMapping | null>;

export type Mapping = KindMappings & {
  /**
   * Of the configuration and the column facts, not of the foreign keys of others: the database, the functions and the
   * file agree when it is the same.
   */
  hash: string;
  users: UsersMapping;
  /** The schema of the helpers for policies. isShared: the configuration names it, so what else is in it may stay. */
  helpers: { schema: string; isShared: boolean };
};
