import { fieldOf } from "./column-values.ts";
import { userPayloadKeys } from "./generate-users.ts";
import type { KindMapping, KindSource, Mapping } from "./mapping.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "./quote.ts";
import { lines } from "./sql-text.ts";

/**
 * The rows of organizations, memberships, roles and invitations, as the functions of the sync read them in tables of any
 * shape, and the keys that payloads of these kinds may have. A kind that is off has no rows.
 */
export function generateKindRows(mapping: Mapping): string {
  const { organizations, memberships, roles, invitations } = mapping;
  const kinds = [organizations, memberships, roles, invitations].flatMap((kind) => kind ?? []);
  return [
    rowsOf("organization_rows", organizations, { name: "name", slug: "slug" }),
    rowsOf("membership_rows", memberships, { organization_id: "organization", user_id: "user", role: "role" }),
    rowsOf("role_rows", roles, { key: "key", permissions: "permissions" }),
    rowsOf("invitation_rows", invitations, {
      organization_id: "organization",
      email: "email",
      role: "role",
      status: "status",
    }),
    ...kinds.map((kind) => rememberKind(kind, mapping.hash)),
  ].join("\n");
}

function rowsOf(name: string, kind: KindMapping | null, columns: Readonly<Record<string, KindSource>>): string {
  const typeOf = (column: string) => (column === "permissions" ? "text[]" : "text");
  const value = (name: string, source: KindSource) => {
    const column = kind?.columns.find((column) => column.source === source);
    return column === undefined ? `null::${typeOf(name)}` : `o.${quoteIdentifier(column.name)}::${typeOf(name)}`;
  };
  const selected = Object.entries(columns).map(([column, source]) => `${value(column, source)} as ${column}`);
  const id = kind === null ? "null::text" : `o.${quoteIdentifier(kind.key.name)}::text`;
  const deletedAt = kind?.softDelete == null ? "null" : `o.${quoteIdentifier(kind.softDelete.column)}`;
  return `create or replace view clerk_sync.${name}
with (security_invoker = true)
as
select
  ${lines([`${id} as id`, ...selected, `${deletedAt}::timestamptz as deleted_at`], 2)}
${kind === null ? "where false" : `from ${quoteTable(kind.table)} as o`};
`;
}

const ownKeys = ["clerk_id", "given", "absent", "original_event", "retry_count", "reason"];
const keysOfMembership = ["organization_id", "user_id", "created_at", "organization"];

/** The keys that payloads may have: those of the mapping and of the mirror, and what the sync decides by. */
export function payloadKeys(mapping: Mapping): string {
  const { organizations, memberships, roles, invitations } = mapping;
  const kinds = [organizations, memberships, roles, invitations].flatMap((kind) => kind ?? []);
  const keys = ({ kind, columns }: KindMapping) =>
    [
      ...new Set([
        ...ownKeys,
        ...(kind === "membership" ? keysOfMembership : []),
        ...columns.flatMap((column) => fieldOf(column) ?? []),
      ]),
    ]
      .map(quoteLiteral)
      .join(", ");
  return `-- The keys that the payload of a job about a record of this kind may have.
create or replace function clerk_sync.payload_keys(p_kind text)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  case p_kind
    ${lines([`when 'user' then\n      return array[${userPayloadKeys(mapping.users).map(quoteLiteral).join(", ")}];`, ...kinds.map((kind) => `when '${kind.kind}' then\n      return array[${keys(kind)}];`)], 4, "")}
    else
      return array['clerk_id', 'key', 'original_event', 'retry_count'];
  end case;
end
$$;
`;
}

function rememberKind(kind: KindMapping, hash: string): string {
  const columns = Object.fromEntries(kind.columns.map(({ name, source }) => [name, source]));
  const fields = [...new Set(kind.columns.flatMap((column) => fieldOf(column) ?? []))];
  return `insert into clerk_sync.mappings as m (kind, table_name, key, columns, written, rules, fields, editable, hash)
values (
  '${kind.kind}',
  ${quoteLiteral(quoteTable(kind.table))},
  ${quoteLiteral(kind.key.name)},
  ${quoteLiteral(JSON.stringify(columns))}::jsonb,
  array[${kind.columns.map(({ name }) => quoteLiteral(name)).join(", ")}]::text[],
  '{}'::jsonb,
  array[${fields.map(quoteLiteral).join(", ")}]::text[],
  null,
  ${quoteLiteral(hash)}
)
on conflict (kind) do update
  set table_name = excluded.table_name,
      key = excluded.key,
      columns = excluded.columns,
      written = excluded.written,
      fields = excluded.fields,
      hash = excluded.hash;
`;
}
