import type {
  ColumnConfiguration,
  Configuration,
  HookConfiguration,
  KindConfiguration,
  MembershipColumnConfiguration,
  UsersConfiguration,
} from "./configuration.ts";
import type { ConfigurationFile } from "./configuration-schema.ts";
import { defaultTables } from "./default-tables.ts";
import type { DefaultValue, TableName } from "./mapping.ts";
import type { MembershipSource, UserSource } from "./sources.ts";
import { parseTableName } from "./table-name.ts";

type UsersSection = NonNullable<ConfigurationFile["users"]>;
type Hook = NonNullable<ConfigurationFile["hooks"]>[number];
type Deletion = UsersSection["delete"];

/** The value of one line of columns. */
type Line<Source> =
  | Source
  | {
      from: Source;
      default?: DefaultValue | undefined;
      write?: "always" | "once" | undefined;
      allowed?: readonly string[] | undefined;
    };

type KindSection<Value> =
  | boolean
  | undefined
  | {
      table?: string | undefined;
      key?: string | undefined;
      columns?: Readonly<Record<string, Value>> | undefined;
      delete?: Deletion;
      access?: "leave" | "none" | "members" | undefined;
    };

/** Writes out the short forms of a file that has no problems. */
export function expandConfiguration(file: ConfigurationFile): Configuration {
  return {
    users: toUsers(file.users ?? defaultTables.users),
    organizations: toKind(file.organizations, defaultTables.organizations, toColumn),
    memberships: toKind(file.memberships, defaultTables.memberships, toMembershipColumn),
    roles: toKind(file.roles, defaultTables.roles, toColumn),
    invitations: toKind(file.invitations, defaultTables.invitations, toColumn),
    changes: file.changes ?? false,
    hooks: (file.hooks ?? []).map(toHook),
    helpers: file.helpers === undefined ? null : { schema: file.helpers.schema ?? "clerk" },
  };
}

function toUsers(users: NonNullable<ConfigurationFile["users"]>): UsersConfiguration {
  const { access } = users;
  return {
    table: toTable(users.table),
    key: users.key,
    columns: toColumns(users.columns, toColumn<UserSource>),
    linkBy: users.link_by ?? null,
    softDelete: toSoftDelete(users.delete),
    access:
      typeof access === "object"
        ? { kind: "own_row", editable: access.own_row.editable ?? [] }
        : access === undefined
          ? null
          : { kind: access },
  };
}

function toKind<Value, Column>(
  section: KindSection<Value>,
  plain: { table: string; key: string; columns: Readonly<Record<string, Value>> },
  toColumn: (name: string, value: Value) => Column,
): KindConfiguration<Column> | null {
  if (section === undefined || section === false) return null;
  const given = section === true ? {} : section;
  return {
    table: toTable(given.table ?? plain.table),
    key: given.key ?? plain.key,
    columns: toColumns(given.columns ?? plain.columns, toColumn),
    softDelete: toSoftDelete(given.delete),
    access: given.access ?? null,
  };
}

function toColumns<Value, Column>(
  columns: Readonly<Record<string, Value>>,
  toColumn: (name: string, value: Value) => Column,
): Column[] {
  return Object.entries(columns).map(([name, value]) => toColumn(name, value));
}

function toColumn<Source extends string>(name: string, line: Line<Source>): ColumnConfiguration<Source> {
  if (typeof line === "string") return { name, source: line, default: undefined, write: "always", allowed: null };
  const { from, default: fallback, write = "always", allowed = null } = line;
  return { name, source: from, default: fallback, write, allowed };
}

function toMembershipColumn(
  name: string,
  line: Line<MembershipSource> & { as?: string | undefined },
): MembershipColumnConfiguration {
  return { ...toColumn(name, line), as: typeof line === "string" ? null : (line.as ?? null) };
}

function toSoftDelete(deletion: Deletion): string | null {
  return typeof deletion === "object" ? deletion.soft : null;
}

function toHook({ name, on, skip = [], from = "now", ...rest }: Hook): HookConfiguration {
  return { name, on, target: toTarget(rest), skip, from };
}

/** The rules of the file leave one target. */
function toTarget({ url, secret, function: call, on_error: onError, queue }: Omit<Hook, "name" | "on">) {
  if (url !== undefined) return { kind: "url", url, secrets: [secret ?? []].flat() } as const;
  if (call !== undefined) return { kind: "function", name: toTable(call), onError: onError ?? "record" } as const;
  return { kind: "queue", name: queue ?? "" } as const;
}

/** The schema of the file has judged the name. */
function toTable(text: string): TableName {
  const table = parseTableName(text);
  if ("advice" in table) throw new Error(`The name of a table was not judged: ${table.advice}.`);
  return table;
}

/** What the sync does without a file: a plain table of its own. */
export const plainConfiguration: Configuration = expandConfiguration({});
