import type { TableName } from "./mapping.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "./quote.ts";

export function grantService(table: TableName): string {
  const name = quoteTable(table);
  return `-- What the sync needs to write the table, and nothing for anybody else.
grant usage on schema ${quoteIdentifier(table.schema)} to service_role;
grant select, insert, update, delete on ${name} to service_role;
do $$
declare
  v_sequence regclass;
begin
  for v_sequence in
    select d.objid::regclass
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_class as c on c.oid = d.objid and c.relkind = 'S'
    where d.refobjid = ${quoteLiteral(name)}::regclass
      and d.deptype in ('a', 'i')
  loop
    execute format('grant usage on sequence %s to service_role', v_sequence);
  end loop;
end
$$;
`;
}
