import type { DefaultValue, TableName } from "./mapping.ts";
import type { InvitationSource, MembershipSource, OrganizationSource, RoleSource, UserSource } from "./sources.ts";

/** One line of "columns": a column of the table, and what goes into it. */
export type ColumnConfiguration<Source> = {
  /** As the catalog has it, without quotes. */
  name: string;
  source: Source;
  /** Undefined: the file gives none. Null: the file says null. A text may contain {id}. */
  default: DefaultValue | undefined;
  write: "always" | "once";
  /** Null: the file names no values. The labels of an enum are not known here. */
  allowed: readonly string[] | null;
};

/** A column that holds the id of a user or an organization may hold the id of the local row instead. */
export type MembershipColumnConfiguration = ColumnConfiguration<MembershipSource> & {
  /** The column of the other table whose value is written ("as"); null: Clerk's id. */
  as: string | null;
};

export type UsersConfiguration = {
  table: TableName;
  /** The column with Clerk's id; it is never one of `columns`. */
  key: string;
  /** In the order of the file. */
  columns: readonly ColumnConfiguration<UserSource>[];
  linkBy: "email" | null;
  /** The column that marks a deleted row; null: rows are deleted. */
  softDelete: string | null;
  /** Null: the file says nothing. Then a table that exists is left alone, and a table of ours gets own_row. */
  access: { kind: "leave" } | { kind: "own_row"; editable: readonly string[] } | null;
};

/** A kind other than users; its columns are those of organizations.md where the file gives none. */
export type KindConfiguration<Column> = {
  table: TableName;
  key: string;
  columns: readonly Column[];
  softDelete: string | null;
  /** Null: the file says nothing. Then a table that exists is left alone, and a table of ours is closed. */
  access: "leave" | "none" | "members" | null;
};

export type HookConfiguration = {
  name: string;
  /** Like user.created or user.*. */
  on: readonly string[];
  target:
    | { kind: "url"; url: string; secrets: readonly string[] }
    | { kind: "function"; name: TableName; onError: "record" | "abort" }
    | { kind: "queue"; name: string };
  skip: readonly ("webhook" | "ensure" | "reconcile" | "backfill")[];
  from: "now" | "beginning";
};

/**
 * What clerk-sync.config.json says, with every short form written out. The file alone was judged: whether tables and
 * columns exist, and what type they have, is not known yet.
 */
export type Configuration = {
  users: UsersConfiguration;
  /** Null: the kind is off. */
  organizations: KindConfiguration<ColumnConfiguration<OrganizationSource>> | null;
  memberships: KindConfiguration<MembershipColumnConfiguration> | null;
  roles: KindConfiguration<ColumnConfiguration<RoleSource>> | null;
  invitations: KindConfiguration<ColumnConfiguration<InvitationSource>> | null;
  changes: boolean;
  hooks: readonly HookConfiguration[];
  /** Null: the helpers for policies are in the schema clerk. */
  helpers: { schema: string } | null;
};
