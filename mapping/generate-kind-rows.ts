import { textOf } from "./column-values.ts";
import { grantService } from "./grant-service.ts";
import type {
  ColumnType,
  KindMapping,
  KindName,
  KindSource,
  MappedKindColumn,
  Mapping,
  UsersMapping,
} from "./mapping.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "./quote.ts";
import { rememberMapping } from "./remember-mapping.ts";
import { listKinds } from "./resolve.ts";
import { lines } from "./sql-text.ts";

/**
 * What the rest of the SQL reads of organizations and what belongs to them, in tables of any shape: a view for each kind,
 * which has no rows where the kind is off. And what the database knows of their mapping, and what the sync may do there.
 */
export function generateKindRows(mapping: Mapping): string {
  const on = listKinds(mapping);
  const names = ["user", ...on.map(({ kind }) => kind)];
  return [
    describeRows("organization", mapping.organizations, mapping),
    describeRows("membership", mapping.memberships, mapping),
    describeRows("role", mapping.roles, mapping),
    describeRows("invitation", mapping.invitations, mapping),
    `delete from clerk_sync.mappings
where kind <> all (array[${names.map(quoteLiteral).join(", ")}]);\n`,
    ...on.map((kind) => rememberMapping(kind, mapping.hash)),
    ...on.map(giveAccess),
  ].join("\n");
}

/** The columns of each view between the id and deleted_at: each has one source. */
const viewColumns: Readonly<Record<KindName, readonly (readonly [name: string, source: KindSource])[]>> = {
  organization: [
    ["name", "name"],
    ["slug", "slug"],
  ],
  membership: [
    ["organization_id", "organization"],
    ["user_id", "user"],
    ["role", "role"],
  ],
  role: [
    ["key", "key"],
    ["permissions", "permissions"],
  ],
  invitation: [
    ["organization_id", "organization"],
    ["email", "email"],
    ["role", "role"],
    ["status", "status"],
  ],
};

/** A row that the app made and that has no id of Clerk is none of the sync's. */
function describeRows(kind: KindName, mapping: KindMapping | null, all: Mapping): string {
  const head = (what: string) => `${what}
create or replace view clerk_sync.${kind}_rows
with (security_invoker = true)
as
select`;
  if (mapping === null) {
    const columns = viewColumns[kind].map(([name]) => `null::${typeInView(name)} as ${name}`);
    const names = ["null::text as id", ...columns, "null::timestamptz as deleted_at", "null::jsonb as mapped"];
    return `${head(`-- The file maps no ${kind}s.`)}
  ${lines(names, 2)}
where false;
`;
  }
  const key = `t.${quoteIdentifier(mapping.key.name)}`;
  const reads = viewColumns[kind].map(([name, source]) => ({ name, ...readSource(mapping, source, all) }));
  const mapped = mapping.columns.map((column) => `t.${quoteIdentifier(column.name)}`);
  const columns = [
    `${textOf(key, mapping.key.type)} as id`,
    ...reads.map(({ name, value }) => `${value} as ${name}`),
    `${deletedAt(mapping.softDelete)} as deleted_at`,
    `(select to_jsonb(m) from (select ${mapped.join(", ")}) as m) as mapped`,
  ];
  const joins = reads.flatMap(({ join }) => (join === null ? [] : [join]));
  return `${head(`-- The ${kind}s in ${quoteTable(mapping.table).replace(/[\r\n]/g, " ")}, as the sync reads them in a table of any shape; ids are Clerk's.`)}
  ${lines(columns, 2)}
from ${quoteTable(mapping.table)} as t
${joins.map((join) => `${join}\n`).join("")}where ${key} is not null;
`;
}

const typeInView = (name: string) => (name === "permissions" ? "text[]" : "text");

/** A view keeps its columns and their types, whatever the file maps: null where no column holds the source. */
function readSource(mapping: KindMapping, source: KindSource, all: Mapping): { value: string; join: string | null } {
  const of = mapping.columns.filter((column) => column.source === source);
  const column = of.find(({ as }) => as === null) ?? of[0];
  if (column === undefined) return { value: `null::${source === "permissions" ? "text[]" : "text"}`, join: null };
  const value = `t.${quoteIdentifier(column.name)}`;
  if (source === "permissions") return { value: listOf(value, column.type), join: null };
  const other = column.as === null ? null : otherTable(column, all);
  if (other === null || column.as === other.key.name) return { value: textOf(value, column.type), join: null };
  const alias = source === "user" ? "u" : "o";
  const id = textOf(`${alias}.${quoteIdentifier(other.key.name)}`, other.key.type);
  const join = `left join ${quoteTable(other.table)} as ${alias} on ${alias}.${quoteIdentifier(column.as ?? "")} = ${value}`;
  return { value: other.emptyText === null ? id : `nullif(${id}, ${quoteLiteral(other.emptyText)})`, join };
}

/** The table whose rows the column names by a value of their own. */
function otherTable({ source }: MappedKindColumn, { users, organizations }: Mapping) {
  if (source === "user") return { ...users, emptyText: users.key.emptyText };
  return organizations && { ...organizations, emptyText: null };
}

function listOf(value: string, { kind }: ColumnType): string {
  if (kind === "text[]") return value;
  const json = kind === "json" ? `${value}::jsonb` : value;
  return `case when jsonb_typeof(${json}) = 'array' then array(select jsonb_array_elements_text(${json})) end`;
}

function deletedAt(softDelete: UsersMapping["softDelete"]): string {
  if (softDelete === null) return "null::timestamptz";
  const name = `t.${quoteIdentifier(softDelete.column)}`;
  if (softDelete.type.kind === "timestamptz") return name;
  return `${softDelete.type.kind === "date" ? `${name}::timestamp` : name} at time zone 'utc'`;
}

function giveAccess({ kind, table, access }: KindMapping): string {
  const service = grantService(table);
  if (access === "leave") return service;
  const name = quoteTable(table);
  return `${service}
-- Closed to the users of the app, but for what a policy of ours lets members read.
revoke all on ${name} from public, anon, authenticated;
alter table ${name} enable row level security;
drop policy if exists ${kind}s_select_members on ${name};
`;
}
