import {
  allowedOf,
  comparable,
  finalValue,
  hasValue,
  isComputed,
  isGivenBy,
  isUngiven,
  keyOf,
  timeAs,
  typedDefault,
  type ValueColumn,
  valueFor,
  waitsForValue,
} from "./column-values.ts";
import { nothing, refusedColumn } from "./generate-users.ts";
import type { KindMapping, KindName, MappedKindColumn, Mapping } from "./mapping.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "./quote.ts";
import { isMetadataPath } from "./sources.ts";
import { indent, lines } from "./sql-text.ts";

const kindNames: readonly KindName[] = ["organization", "membership", "role", "invitation"];

/**
 * The SQL of organizations, memberships, roles and invitations: how the sync writes and deletes their rows, and the
 * functions that choose by the kind of a record. A kind that is off has no functions, and the choosing ones leave it out.
 */
export function generateKinds(mapping: Mapping): string {
  const kinds = kindNames.flatMap((kind) => mapping[`${kind}s`] ?? []);
  return [
    ...kinds.flatMap((kind) => [
      applyKind(kind, mapping),
      deleteKind(kind),
      refusedColumn(kind.kind, kind.columns),
      defaultKindColumns(kind),
    ]),
    applyPlain(kinds),
    deleteRows(kinds),
    choose(
      "refused_column",
      "p_kind text, p_payload jsonb",
      "text",
      "Names the column of a record of this kind that does not take what an event brings; null when each takes it.",
      kinds,
      (kind) => `return clerk_sync.refused_${kind}_column(p_payload);`,
      "return null;",
    ),
    choose(
      "default_columns",
      "p_kind text, p_id text, p_source text, p_absent text[], p_now timestamptz",
      "void",
      "Gives the columns of a metadata key of a record of this kind their default: see default_user_columns.",
      kinds,
      (kind) => `perform clerk_sync.default_${kind}_columns(p_id, p_source, p_absent, p_now);`,
      "null;",
    ),
    withdrawPermission(mapping),
    missingParent(mapping),
  ].join("\n");
}

/** A function that does for each kind what a function of the kind does. */
function choose(
  name: string,
  parameters: string,
  returns: string,
  comment: string,
  kinds: readonly KindMapping[],
  statement: (kind: KindName | "user") => string,
  otherwise: string,
): string {
  return `-- ${comment}
create or replace function clerk_sync.${name}(${parameters})
returns ${returns}
language plpgsql
set search_path = ''
as $$
begin
  case p_kind
    ${lines(
      [...(["user"] as const), ...kinds.map(({ kind }) => kind)].map(
        (kind) => `when '${kind}' then\n      ${statement(kind)}`,
      ),
      4,
      "",
    )}
    else
      ${otherwise}
  end case;
end
$$;
`;
}

function applyPlain(kinds: readonly KindMapping[]): string {
  const call = (kind: string) =>
    `when '${kind}' then
      select a.* into carries, superseded, notes from clerk_sync.apply_${kind}s(p_events, p_is_settled, p_now) as a;`;
  return `-- Applies the newest event of each record of this kind where only the version decides: see apply_users. Nothing is done for
-- a kind that no table is mapped for.
create or replace function clerk_sync.apply_plain(
  p_kind       text,
  p_events     clerk_sync.events[],
  p_is_settled boolean,
  p_now        timestamptz,
  out carries    uuid[],
  out superseded uuid[],
  out notes      jsonb
)
language plpgsql
set search_path = ''
as $$
begin
  case p_kind
    ${lines(["user", ...kinds.map(({ kind }) => kind)].map(call), 4, "")}
    else
      carries := array[]::uuid[];
      superseded := array[]::uuid[];
  end case;
end
$$;
`;
}

function deleteRows(kinds: readonly KindMapping[]): string {
  return choose(
    "delete_rows",
    "p_kind text, p_ids text[], p_now timestamptz",
    "void",
    "What becomes of the rows of deleted records of this kind.",
    kinds,
    (kind) => `perform clerk_sync.delete_${kind}s(p_ids, p_now);`,
    "null;",
  );
}

const nameOf = ({ name }: ValueColumn) => quoteIdentifier(name);

/** Where a column holds the id of a local row: that row's table, its column with Clerk's id, and the event's id. */
function localOf(column: MappedKindColumn, { users, organizations }: Mapping) {
  if (column.as === null) return null;
  const of = column.source === "organization" ? organizations : users;
  if (of === null) return null;
  return {
    table: quoteTable(of.table),
    key: quoteIdentifier(of.key.name),
    value: quoteIdentifier(column.as),
    kind: column.source,
  };
}

function applyKind(kind: KindMapping, mapping: Mapping): string {
  const isMembership = kind.kind === "membership";
  const table = quoteTable(kind.table);
  const key = quoteIdentifier(kind.key.name);
  const written = kind.columns.filter((column) => column.name !== kind.key.name);
  const updated = written.filter(
    (column) => column.source !== "id" && (column.write === "always" || waitsForValue(column)),
  );
  const compared = updated.filter((column) => column.source !== "now");
  const comparedAs = (row: string) => compared.map((column) => comparable(`${row}.${nameOf(column)}`, column.type));
  const ungiven = kind.columns.filter(waitsForValue);
  const deletedAt = kind.softDelete === null ? null : quoteIdentifier(kind.softDelete.column);
  const here = [...comparedAs("o"), ...(deletedAt === null ? [] : [`o.${deletedAt}`])];
  const brought = [...comparedAs("excluded"), ...(deletedAt === null ? [] : ["null"])];
  const value = (column: MappedKindColumn) => {
    const local = localOf(column, mapping);
    if (local === null) return valueFor(column, "w.payload", "w.clerk_id");
    return `(select l.${local.value} from ${local.table} as l where l.${local.key} = w.payload ->> ${keyOf(column)})`;
  };
  const locals = kind.columns.flatMap((column) => {
    const local = localOf(column, mapping);
    return local === null
      ? []
      : [
          `(select l.${local.value} is not null from ${local.table} as l where l.${local.key} = s.payload ->> ${keyOf(column)})`,
        ];
  });
  return `-- Applies the newest event of each ${kind.kind} where only the version decides, as apply_users does for users. It is the only
-- statement that writes rows of ${table} from Clerk.
create or replace function clerk_sync.apply_${kind.kind}s(
  p_events     clerk_sync.events[],
  p_is_settled boolean,
  p_now        timestamptz,
  out carries    uuid[],
  out superseded uuid[],
  out notes      jsonb
)
language plpgsql
set search_path = ''
set timezone = 'UTC' -- for columns that are timestamp where ours are timestamptz, and the other way round
as $$
declare
  v_latest bigint := clerk_sync.latest_version(p_now);
begin${
    isMembership
      ? `
  if not p_is_settled then
    perform clerk_sync.apply_embedded(p_events, p_now);
  end if;`
      : ""
  }
  with event as materialized ( -- the events; the newest of a ${kind.kind} has place 1
    select
      e.*,
      row_number() over (
        partition by e.clerk_id
        order by e.deletes desc, e.version desc, e.created_at desc, e.id
      ) as place
    from unnest(p_events) as e
    where e.clerk_id is not null
  ),
  said as materialized ( -- what the newest snapshots say${isMembership ? ", and of how many memberships of one pair" : ""}
    select
      e.id, e.clerk_id, e.version, e.source, e.payload${
        isMembership
          ? `,
      e.payload ->> 'organization_id' as organization_id,
      e.payload ->> 'user_id' as user_id,
      (e.payload ->> 'created_at')::timestamptz as made_at,
      count(*) over (partition by e.payload ->> 'organization_id', e.payload ->> 'user_id') as memberships`
          : ""
      }
    from event as e
    where e.place = 1
      and not e.deletes
      and e.applied_at is null
      and e.erased_at is null
      and (
        p_is_settled
        or (
          not e.payload ? 'absent' -- as absent_fields
          and e.version <= v_latest + case
            when e.read_at is null and e.created_at < p_now then extract(epoch from e.created_at - p_now) * 1000
            else 0
          end
        )
      )
  ),
  free as materialized ( -- known records that no other transaction holds
    select r.id${ungiven.length > 0 ? ", r.ungiven" : ""}
    from clerk_sync.records as r
    where r.id = any (array(select s.clerk_id from said as s))
    for update skip locked
  ),${
    isMembership
      ? `
  parent as materialized ( -- organizations and users who are there, and whom no transaction can delete before this one ends
    select r.id, r.deleted_at is null as is_living
    from clerk_sync.records as r
    where r.id = any (array(select s.organization_id from said as s union select s.user_id from said as s))
    for share skip locked
  ),`
      : ""
  }
  fit as materialized (${isMembership ? " -- those of which no other membership of the pair is known" : ""}
    select s.*
    from said as s
    where case -- in a case, which makes it a lookup by hash whatever the statistics say
        when s.clerk_id in (select f.id from free as f) then true
        when (select true from clerk_sync.records as r where r.id = s.clerk_id) then false
        else pg_try_advisory_xact_lock(hashtextextended(s.clerk_id, 7461203)) -- as claim_records
      end${
        isMembership
          ? `
      and (
        p_is_settled
        or (
          s.memberships = 1
          and s.organization_id in (select p.id from parent as p where p.is_living)
          and s.user_id in (select p.id from parent as p where p.is_living)
          and pg_try_advisory_xact_lock(hashtextextended(s.organization_id || ' ' || s.user_id, 7461204)) -- as lock_parents
          and not exists (
            select 1
            from clerk_sync.membership_state as o
            where o.organization_id = s.organization_id
              and o.user_id = s.user_id
              and o.id <> s.clerk_id
              and (o.has_row or o.created_at >= s.made_at)
          )
        )
      )`
          : ""
      }${locals.map((local) => `\n      and ${local}`).join("")}
    order by s.clerk_id -- one order for all: two calls that share records do not wait for each other in a circle
  ),
  record as ( -- the guard and the tombstone: only what it returns is written
    insert into clerk_sync.records as r (id, kind, version, last_synced_at, first_seen_at, row_made_at, given${ungiven.length > 0 ? ", ungiven" : ""})
    select
      f.clerk_id, '${kind.kind}', f.version, p_now,
      case when coalesce(f.source, 'webhook') = 'webhook' and n.makes_row then p_now end,
      case when n.makes_row then p_now end,
      array(select jsonb_array_elements_text(f.payload -> 'given'))${
        ungiven.length === 0
          ? ""
          : `,
      nullif(array_remove(array[
        ${lines(
          ungiven.map(
            (column) => `case
          when ${hasValue(column, "f.payload")} then null
          when n.makes_row or ${isUngiven(column, "f")}
            then ${quoteLiteral(column.name)}
        end`,
          ),
          8,
        )}
      ], null), '{}')`
      }
    from fit as f
    cross join lateral (
      select (select true from ${table} as o where o.${key} = f.clerk_id) is null as makes_row
      offset 0 -- one lookup each
    ) as n
    on conflict (id) do update
      set version = excluded.version,
          last_synced_at = excluded.last_synced_at,
          first_seen_at = case when r.version = 0 then coalesce(r.first_seen_at, excluded.first_seen_at) else r.first_seen_at end,
          row_made_at = coalesce(excluded.row_made_at, r.row_made_at),
          given = case
            when excluded.given <@ r.given then r.given
            else array(select distinct g from unnest(r.given || excluded.given) as g order by g)
          end,${ungiven.length > 0 ? "\n          ungiven = excluded.ungiven," : ""}
          refresh_reason = null,
          refresh_due_at = null,
          refresh_attempts = case when p_is_settled then r.refresh_attempts else 0 end
      where r.version <= excluded.version
        and r.deleted_at is null
        and r.trusted_version is null
        and r.absent_version is null
    returning r.id, r.given
  ),
  written as materialized (
    select f.*
    from fit as f
    where case when f.clerk_id in (select r.id from record as r) then true end
  ),
  ${kind.kind}_row as ( -- n is what the event gives, k the row as it is. A row that would not change is not written, so now stays true
    insert into ${table} as o
      (${[key, ...written.map(nameOf)].join(", ")})
    select
      ${lines(["w.clerk_id", ...written.map((column) => indent(finalValue(column), 6))], 6)}
    from written as w
    cross join lateral (
      select
        ${lines(
          written.length === 0
            ? ["true as is_here"]
            : written.map((column) => `${indent(value(column), 8)} as ${nameOf(column)}`),
          8,
        )}
    ) as n
    left join lateral (
      select ${["true as is_there", ...compared.map((column) => `o.${nameOf(column)}`)].join(", ")}
      from ${table} as o
      where o.${key} = w.clerk_id
      offset 0
      for no key update
    ) as k on true
    ${
      here.length === 0
        ? `on conflict (${key}) do nothing`
        : `on conflict (${key}) do update
      set ${lines([...updated.map((column) => `${nameOf(column)} = excluded.${nameOf(column)}`), ...(deletedAt === null ? [] : [`${deletedAt} = null`])], 10)}
      where (${here.join(", ")})
        is distinct from (${brought.join(", ")})`
    }
  ),${
    isMembership
      ? `
  state as (
    insert into clerk_sync.membership_state as m (id, organization_id, user_id, created_at, has_row)
    select w.clerk_id, w.organization_id, w.user_id, w.made_at, true
    from written as w
    on conflict (id) do update
      set has_row = true
      where not m.has_row
  ),`
      : ""
  }
  verdict as (
    select e.id, e.place, e.clerk_id in (select w.clerk_id from written as w) as is_done
    from event as e
  )
  select
    coalesce(array_agg(v.id) filter (where v.is_done and v.place = 1), '{}'),
    coalesce(array_agg(v.id) filter (where v.is_done and v.place > 1), '{}'),
    ${notesOf(kind)}
  into carries, superseded, notes
  from verdict as v;
end
$$;
`;
}

/** What the results of jobs say of values that columns refused. */
function notesOf(kind: KindMapping): string {
  const refusable = kind.columns.filter((column) => allowedOf(column) !== null);
  if (refusable.length === 0) return "null";
  const kinds = refusable.map((column) => {
    const key = keyOf(column);
    return `${quoteLiteral(column.name)}, case
          when ${isGivenBy(column, "w.payload")}w.payload ->> ${key} <> all (${allowedOf(column)})
            then clerk_sync.kind_of(w.payload -> ${key})
        end`;
  });
  return `(
      select jsonb_object_agg(w.id, jsonb_build_object('ignored', n.ignored))
      from written as w
      cross join lateral (
        select nullif(jsonb_strip_nulls(jsonb_build_object(
        ${lines(kinds, 8)}
        )), '{}') as ignored
      ) as n
      where n.ignored is not null
    )`;
}

function deleteKind(kind: KindMapping): string {
  const table = quoteTable(kind.table);
  const key = quoteIdentifier(kind.key.name);
  const { softDelete } = kind;
  if (softDelete === null) {
    return `-- What becomes of the rows of deleted ${kind.kind}s: they go.
create or replace function clerk_sync.delete_${kind.kind}s(p_ids text[], p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  delete from ${table} as o
  where o.${key} = any (p_ids);
$$;
`;
  }
  const deletedAt = quoteIdentifier(softDelete.column);
  const sets = [`${deletedAt} = ${timeAs("p_now", softDelete.type)}`, ...touches(kind)];
  return `-- What becomes of the rows of deleted ${kind.kind}s: they stay, marked.
create or replace function clerk_sync.delete_${kind.kind}s(p_ids text[], p_now timestamptz)
returns void
language sql
set search_path = ''
set timezone = 'UTC'
as $$
  update ${table} as o
  set ${lines(sets, 6)}
  where o.${key} = any (p_ids)
    and o.${deletedAt} is null;
$$;
`;
}

const touches = ({ columns }: KindMapping): string[] =>
  columns
    .filter(({ source }) => source === "now")
    .map((column) => `${nameOf(column)} = ${timeAs("p_now", column.type)}`);

function defaultKindColumns(kind: KindMapping): string {
  const statements = kind.columns
    .filter((column) => isMetadataPath(column.source) && column.write === "always" && !isComputed(column))
    .map((column) => {
      const fallback = typedDefault(column, `o.${quoteIdentifier(kind.key.name)}`);
      return `  if p_source = ${quoteLiteral(column.source)} and ${keyOf(column)} <> all (p_absent) then
    update ${quoteTable(kind.table)} as o
    set ${lines([`${nameOf(column)} = ${fallback}`, ...touches(kind)], 8)}
    where o.${quoteIdentifier(kind.key.name)} = p_id
      and ${comparable(`o.${nameOf(column)}`, column.type)} is distinct from ${comparable(fallback, column.type)};
  end if;`;
    });
  return `-- As default_user_columns, for ${kind.kind}s.
create or replace function clerk_sync.default_${kind.kind}_columns(p_id text, p_source text, p_absent text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
begin
${lines([...statements, "  null;"], 0, "")}
end
$$;
`;
}

/** A membership whose columns hold ids of local rows waits until these rows are there. */
function missingParent(mapping: Mapping): string {
  const locals = (mapping.memberships?.columns ?? []).flatMap((column) => {
    const local = localOf(column, mapping);
    return local === null ? [] : [{ ...local, id: `p_payload ->> ${keyOf(column)}` }];
  });
  const head = `-- Of which row, organization or user, a membership needs the id and does not find it; null when it finds all.
create or replace function clerk_sync.missing_parent(p_payload jsonb)
returns text
language sql
stable
set search_path = ''
as $$
`;
  const wake = `-- Jobs of memberships that wait for these organizations or users are due.
create or replace function clerk_sync.wake_members(p_kind text, p_ids text[], p_now timestamptz)
returns void
`;
  if (locals.length === 0) return `${head}  select null::text;\n$$;\n\n${wake}${nothing()};\n`;
  const cases = locals.map(
    ({ table, key, value, id, kind }) =>
      `when (select l.${value} is not null from ${table} as l where l.${key} = ${id}) is not true then '${kind}'`,
  );
  return `${head}  select case
    ${lines(cases, 4, "")}
  end;
$$;

${wake}language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[];
begin
  if not exists (select 1 from public.job_queue as j where j.waits_for = p_kind) then
    return;
  end if;
  v_ids := array(
    select j.id
    from clerk_sync.membership_state as s
    -- offset 0: a lookup each, whatever the statistics say
    cross join lateral (
      select k.id
      from public.job_queue as k
      where k.clerk_id = s.id
        and k.waits_for = p_kind
      offset 0
      for update skip locked
    ) as j
    where case p_kind when 'user' then s.user_id else s.organization_id end = any (p_ids)
  );
  perform clerk_sync.move_jobs(v_ids, 'PENDING', p_now, p_run_at => p_now);
end
$$;
`;
}

/** Without Clerk's API nothing says which roles had a permission that was deleted: it goes from all. */
function withdrawPermission({ roles }: Mapping): string {
  const column = roles?.columns.find(({ source }) => source === "permissions");
  const head = `-- Takes a permission that was deleted at Clerk from the rows of roles.
create or replace function clerk_sync.withdraw_permission(p_key text, p_now timestamptz)
returns void
language sql
set search_path = ''
set timezone = 'UTC'
as $$
`;
  if (roles == null || column === undefined || column.type.kind !== "text[]") return `${head}$$;\n`;
  const name = nameOf(column);
  return `${head}  update ${quoteTable(roles.table)} as o
  set ${lines([`${name} = array_remove(o.${name}, p_key)`, ...touches(roles)], 6)}
  where p_key = any (o.${name});
$$;
`;
}
