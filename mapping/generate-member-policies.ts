import { textOf } from "./column-values.ts";
import type { KindMapping, Mapping } from "./mapping.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "./quote.ts";
import { commentOfOurs } from "./read-table.ts";
import { listKinds } from "./resolve.ts";

/**
 * Lets members read what belongs to their organizations, where the file says "access": "members": the organizations, their
 * memberships and invitations, and the roles. A row that is marked as deleted is read by nobody.
 */
export function generateMemberPolicies(mapping: Mapping): string {
  return listKinds(mapping)
    .filter(({ access }) => access === "members")
    .map((kind) => letMembersRead(kind, mapping))
    .join("\n");
}

function letMembersRead(mapping: KindMapping, all: Mapping): string {
  const { kind, table, softDelete } = mapping;
  const name = quoteTable(table);
  const policy = `${kind}s_select_members`;
  const isThere = softDelete === null ? "" : `\n    and ${quoteIdentifier(softDelete.column)} is null`;
  return `grant select on ${name} to authenticated;
create policy ${policy}
  on ${name}
  for select
  to authenticated
  using (
    ${belongsToMember(mapping, all)}${isThere}
  );
comment on policy ${policy} on ${name} is ${quoteLiteral(commentOfOurs)};
`;
}

/** In the form that is fast over many rows: the helper is called once, not for each row. */
function belongsToMember(mapping: KindMapping, { organizations, helpers }: Mapping): string {
  const mine = `select ${quoteIdentifier(helpers.schema)}.my_org_ids()`;
  if (mapping.kind === "role") return `exists (${mine})`;
  if (mapping.kind === "organization")
    return `${textOf(quoteIdentifier(mapping.key.name), mapping.key.type)} in (${mine})`;
  const of = mapping.columns.filter(({ source }) => source === "organization");
  const column = of.find(({ as }) => as === null) ?? of[0];
  if (column === undefined || organizations === null) return "false";
  const value = quoteIdentifier(column.name);
  if (column.as === null || column.as === organizations.key.name) return `${textOf(value, column.type)} in (${mine})`;
  const key = textOf(`o.${quoteIdentifier(organizations.key.name)}`, organizations.key.type);
  return `${value} in (
      select o.${quoteIdentifier(column.as)} from ${quoteTable(organizations.table)} as o where ${key} in (${mine})
    )`;
}
