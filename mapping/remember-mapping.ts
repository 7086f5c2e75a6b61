import type { KindMapping, MappedColumn, UsersMapping } from "./mapping.ts";
import { quoteLiteral, quoteTable } from "./quote.ts";
import { mappedFields } from "./resolve.ts";
import { lines } from "./sql-text.ts";

/** What functions and health ask of the mapping: which fields the database knows, and which file made it. */
export function rememberMapping(mapping: UsersMapping | KindMapping, hash: string): string {
  const { table, key, columns } = mapping;
  const sources = Object.fromEntries(columns.map(({ name, source }) => [name, source]));
  const written = columns.filter(
    ({ name, source, write }) => !["now", "uuid", "id"].includes(source) && write === "always" && name !== key.name,
  );
  const { kind, access, editable } = accessOf(mapping);
  const list = (texts: readonly string[]) => `array[${texts.map(quoteLiteral).join(", ")}]::text[]`;
  const values = [
    quoteLiteral(kind),
    quoteLiteral(quoteTable(table)),
    quoteLiteral(key.name),
    `${quoteLiteral(JSON.stringify(sources))}::jsonb`,
    list(written.map(({ name }) => name)),
    `${quoteLiteral(JSON.stringify(rulesOf(columns)))}::jsonb`,
    list(mappedFields(mapping)),
    quoteLiteral(access),
    editable === null ? "null" : list(editable),
    quoteLiteral(hash),
  ];
  return `insert into clerk_sync.mappings as m (kind, table_name, key, columns, written, rules, fields, access, editable, hash)
values (
  ${lines(values, 2)}
)
on conflict (kind) do update
  set table_name = excluded.table_name,
      key = excluded.key,
      columns = excluded.columns,
      written = excluded.written,
      rules = excluded.rules,
      fields = excluded.fields,
      access = excluded.access,
      editable = excluded.editable,
      hash = excluded.hash,
      changed_at = case when m.hash = excluded.hash then m.changed_at else now() end;
`;
}

/** Nobody edits rows of the other kinds. */
function accessOf(mapping: UsersMapping | KindMapping) {
  if ("kind" in mapping) {
    const { kind, access } = mapping;
    return { kind, access, editable: access === "leave" ? null : [] };
  }
  const { access } = mapping;
  return { kind: "user", access: access.kind, editable: access.kind === "leave" ? null : access.editable };
}

type Ruled = Pick<MappedColumn, "name" | "allowed" | "write" | "usesOwnDefault" | "default">;

/** Why a column may hold something else than Clerk says, by column; columns without a reason are left out. */
function rulesOf(columns: readonly Ruled[]): Record<string, Record<string, unknown>> {
  const rules = columns.map(({ name, allowed, write, usesOwnDefault, default: fallback = null }) => {
    const rule = {
      ...(allowed === null ? {} : { allowed }),
      ...(fallback === null ? {} : { default: fallback }),
      ...(usesOwnDefault ? { own_default: true } : {}),
      ...(write === "once" ? { once: true } : {}),
    };
    return [name, rule] as const;
  });
  return Object.fromEntries(rules.filter(([, rule]) => Object.keys(rule).length > 0));
}
