import {
  allowedOf,
  castTo,
  comparable,
  defaultOf,
  finalValue,
  hasValue,
  isComputed,
  isGivenBy,
  isText,
  isUngiven,
  keyOf,
  textOf,
  timeAs,
  typedDefault,
  type ValueColumn,
  valueFor,
  waitsForValue,
} from "./column-values.ts";
import { grantService } from "./grant-service.ts";
import type { MappedColumn, Mapping, UsersMapping } from "./mapping.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "./quote.ts";
import { commentOfOurs } from "./read-table.ts";
import { rememberMapping } from "./remember-mapping.ts";
import { isMetadataPath, type UserSource } from "./sources.ts";
import { indent, lines } from "./sql-text.ts";

/**
 * The SQL of kind user: how the sync reads, writes, compares, links and deletes rows of the mapped table. Every name in it
 * is literal, so that it reads, and is planned, as if somebody had written it for this table.
 */
export function generateUsers({ users, hash }: Mapping): string {
  return [
    rememberMapping(users, hash),
    describeRows(users),
    applyUsers(users),
    defaultColumns(users),
    deleteUsers(users),
    ...emailFunctions(users),
    findByText(users),
    findUnlinked(users),
    linkUsers(users),
    refusedColumn("user", users.columns),
    compareUsers(users),
    readableRow(users),
    giveAccess(users),
    noteObjects,
  ].join("\n");
}

/** A migration of a changed mapping alone changes objects, too. */
export const noteObjects = `do $$
begin
  perform clerk_sync.note_objects();
end
$$;
`;

/** The rest of a function that has nothing to do with this mapping; what it answers is one statement. */
export const nothing = (answer = "") => `language sql
set search_path = ''
as $$
${answer === "" ? "" : `  ${answer}\n`}$$`;

/** The column that holds a source, if one does. */
function columnOf(users: UsersMapping, source: UserSource): MappedColumn | undefined {
  return users.columns.find((column) => column.source === source);
}

/** What a statement that changes a row sets besides: the columns with the time of the write. */
const touches = ({ columns }: UsersMapping): string[] =>
  columns
    .filter(({ source }) => source === "now")
    .map(({ name, type }) => `${quoteIdentifier(name)} = ${timeAs("p_now", type)}`);

function describeRows(users: UsersMapping): string {
  const email = columnOf(users, "email");
  const read = (source: UserSource) => {
    const column = columnOf(users, source);
    return column === undefined ? "null::text" : textOf(`u.${quoteIdentifier(column.name)}`, column.type);
  };
  const placeholder = email === undefined ? null : defaultOf(email, keyText(users, "u"));
  const address = placeholder === null ? read("email") : `nullif(${read("email")}, ${placeholder})`;
  const mapped = users.columns.map((column) => `u.${quoteIdentifier(column.name)}`);
  return `-- The rows of ${quoteTable(users.table)}, as the functions of the sync read them in a table of any shape. email is null for a
-- placeholder; mapped holds the columns that the sync writes.
create or replace view clerk_sync.user_rows
with (security_invoker = true)
as
select
  ${keyText(users, "u")} as clerk_id,
  ${rowIdText(users)} as row_id,
  ${address} as email,
  ${read("name")} as name,
  ${read("public_metadata.role")} as role,
  ${users.softDelete === null ? "null::timestamptz" : softDeletedAt(users.softDelete)} as deleted_at,
  (select to_jsonb(m) from (select ${mapped.join(", ")}) as m) as mapped
from ${quoteTable(users.table)} as u;
`;
}

const keyText = (users: UsersMapping, alias: string) =>
  textOf(`${alias}.${quoteIdentifier(users.key.name)}`, users.key.type);
const rowIdText = (users: UsersMapping) => `u.${quoteIdentifier(users.rowId)}::text`;

function softDeletedAt({ column, type }: NonNullable<UsersMapping["softDelete"]>): string {
  const name = `u.${quoteIdentifier(column)}`;
  if (type.kind === "timestamptz") return name;
  return `${type.kind === "date" ? `${name}::timestamp` : name} at time zone 'utc'`;
}

function applyUsers(users: UsersMapping): string {
  const table = quoteTable(users.table);
  const key = quoteIdentifier(users.key.name);
  const email = columnOf(users, "email");
  const isEmailUnique = email?.isWhollyUnique === true;
  const written = users.columns.filter((column) => column.name !== users.key.name);
  const updated = written.filter(
    (column) =>
      column.source !== "uuid" && column.source !== "id" && (column.write === "always" || waitsForValue(column)),
  );
  const compared = updated.filter((column) => column.source !== "now");
  const name = (column: MappedColumn) => quoteIdentifier(column.name);
  const comparedAs = (row: string) => compared.map((column) => comparable(`${row}.${name(column)}`, column.type));
  const state = stateFields(users);
  const ungiven = users.columns.filter(waitsForValue);
  const refusable = users.columns.filter((column) => allowedOf(column) !== null);
  const deletedAt = users.softDelete === null ? null : quoteIdentifier(users.softDelete.column);
  const here = [...comparedAs("u"), ...(deletedAt === null ? [] : [`u.${deletedAt}`])];
  const brought = [...comparedAs("excluded"), ...(deletedAt === null ? [] : ["null"])];

  return `-- Applies the newest event of each user where only the version decides (laws 3 and 11), in one statement of named steps.
-- It is the only statement that writes rows of ${table} from Clerk. What it does not return is left to apply_disputed.
-- Rows of tables are looked up by scalar subqueries, each by its key whatever the statistics say; a join could read a table.
-- p_is_settled: apply_disputed has settled these events; nothing but the version is asked.
--   carries     events that are written, and events that were written before whose mirror alone is pending
--   superseded  other events of the same users: they bring nothing newer
--   notes       what the results of jobs say besides, by job id
create or replace function clerk_sync.apply_users(
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
begin
  with event as materialized ( -- the events; the newest of a user has place 1
    select
      e.*,
      row_number() over (
        partition by e.clerk_id
        order by e.deletes desc, e.version desc, e.applied_at is not null, e.created_at desc, e.id
      ) as place,
      bool_and(e.applied_at is not null) over (partition by e.clerk_id) as are_all_applied
    from unnest(p_events) as e
    where e.clerk_id is not null
  ),
  said as materialized ( -- what the newest snapshots say of their users${isEmailUnique ? ", and how many users of this call claim the address" : ""}
    select
      e.id, e.clerk_id, e.version, e.source, e.payload${
        isEmailUnique
          ? `, e.payload ->> 'email' as email,
      count(*) over (partition by ${email.type.kind === "citext" ? "lower(e.payload ->> 'email')" : "e.payload ->> 'email'"}) as claims`
          : ""
      }
    from event as e
    where e.place = 1
      and not e.deletes
      and e.applied_at is null
      and e.erased_at is null
      and not ( -- no news, but perhaps a reason to answer that the user exists
        e.job_type = 'USER_CREATED'
        and coalesce((select r.version >= e.version from clerk_sync.records as r where r.id = e.clerk_id), false)
      )
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
  ),
  fit as materialized (${isEmailUnique ? " -- those that dispute no address, and give none up that somebody waits for" : ""}
    select s.*
    from said as s
    where case -- in a case, which makes it a lookup by hash whatever the statistics say
        when s.clerk_id in (select f.id from free as f) then true
        when (select true from clerk_sync.records as r where r.id = s.clerk_id) then false
        else pg_try_advisory_xact_lock(hashtextextended(s.clerk_id, 7461203)) -- as claim_records
      end${indent(disputesNothing(users), 6)}
    order by s.clerk_id -- one order for all: two calls that share users do not wait for each other in a circle
  ),
  record as ( -- the guard and the tombstone: only what it returns is written
    insert into clerk_sync.records as r (id, version, last_synced_at, first_seen_at, row_made_at, given${ungiven.length > 0 ? ", ungiven" : ""})
    select
      f.clerk_id, f.version, p_now,
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
      select (select true from ${table} as u where u.${key} = f.clerk_id) is null as makes_row
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
          end,${
            ungiven.length > 0
              ? `
          ungiven = excluded.ungiven,`
              : ""
          }
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
  user_row as ( -- n is what the event gives, k the row as it is. A row that would not change is not written, so now stays true
    insert into ${table} as u
      (${[key, ...written.map(name)].join(", ")})
    select
      ${lines(["w.clerk_id", ...written.map((column) => indent(finalValue(column), 6))], 6)}
    from written as w
    cross join lateral (
      select
        ${lines(
          written.map((column) => `${indent(valueFor(column, "w.payload", "w.clerk_id"), 8)} as ${name(column)}`),
          8,
        )}
    ) as n
    left join lateral (
      select ${["true as is_there", ...compared.map((column) => `o.${name(column)}`)].join(", ")}
      from ${table} as o
      where o.${key} = w.clerk_id
      offset 0
      for no key update
    ) as k on true
    ${
      here.length === 0
        ? `on conflict (${key}) do nothing`
        : `on conflict (${key}) do update
      set ${lines([...updated.map((column) => `${name(column)} = excluded.${name(column)}`), ...(deletedAt === null ? [] : [`${deletedAt} = null`])], 10)}
      where (${here.join(", ")})
        is distinct from (${brought.join(", ")})`
    }
  ),
  state as ( -- what only users have; most have none of it, and no row for it
    insert into clerk_sync.user_state as s
      (${["clerk_id", ...state.map(({ name }) => name)].join(", ")})
    select ${["w.clerk_id", ...state.map((field) => `n.${field.name}`)].join(", ")}
    from written as w
    left join lateral (select o.* from clerk_sync.user_state as o where o.clerk_id = w.clerk_id offset 0) as k on true
    cross join lateral (
      select
        ${lines(
          state.map((field) => `${indent(field.value, 8)} as ${field.name}`),
          8,
        )}
    ) as n
    where k.clerk_id is not null
       or not n.email_verified
       or ${lines(
         state
           .filter((field) => field.name !== "email_verified")
           .map((field) => (field.isFlag ? `n.${field.name}` : `n.${field.name} is not null`)),
         7,
         "",
       ).replaceAll("\n       ", "\n       or ")}
    on conflict (clerk_id) do update
      set ${lines([...state.map(({ name }) => `${name} = excluded.${name}`), "withheld_email = null"], 10)}
      where (${[...state.map(({ name }) => `s.${name}`), "s.withheld_email"].join(", ")})
        is distinct from (${[...state.map(({ name }) => `excluded.${name}`), "null"].join(", ")})
  ),
  verdict as (
    select
      e.id,
      e.place,
      e.clerk_id in (select w.clerk_id from written as w) or case -- all were written before: the mirror of the newest is pending
        when e.are_all_applied then (
          select case
            when e.place > 1 then true
            when e.deletes then r.deleted_at is not null
            else r.deleted_at is null and r.version = e.version and r.absent_version is null
          end
          from clerk_sync.records as r
          where r.id = e.clerk_id
        )
        else false
      end as is_done
    from event as e
  )
  select
    coalesce(array_agg(v.id) filter (where v.is_done and v.place = 1), '{}'),
    coalesce(array_agg(v.id) filter (where v.is_done and v.place > 1), '{}'),
    ${
      refusable.length === 0
        ? "null"
        : `(
      select jsonb_object_agg(w.id, jsonb_build_object('ignored', n.ignored))
      from written as w
      cross join lateral (
        select ${indent(ignoredColumns(users), 8)} as ignored
      ) as n
      where n.ignored is not null
    )`
    }
  into carries, superseded, notes
  from verdict as v;
end
$$;
`;
}

/** What events must not do to be applied by their version alone: the addresses of a unique column are settled first. */
function disputesNothing(users: UsersMapping): string {
  const email = columnOf(users, "email");
  const table = quoteTable(users.table);
  const key = quoteIdentifier(users.key.name);
  const links = users.linkBy === null ? "" : unlinkedRowWaits(users);
  if (email === undefined || !email.isWhollyUnique) {
    return links === "" ? "" : `\nand (\n  p_is_settled\n  or ${indent(links, 2)}\n)`;
  }
  const address = quoteIdentifier(email.name);
  return `
and (
  p_is_settled
  or (
    (
      s.email is null
      or (
        s.claims = 1
        and coalesce((select coalesce(u.${key}, '') from ${table} as u where ${holdsText(email, "u", "s.email")}), s.clerk_id) = s.clerk_id
      )
    )
    and case -- usually no user waits for an address at all
        when exists (select 1 from clerk_sync.user_state as w where w.withheld_email is not null) then ( -- and for this one?
          select (${comparable(`u.${address}`, email.type)} is not distinct from s.email and (s.payload ->> 'email_verified')::boolean)
            or (select true from clerk_sync.user_state as w where w.withheld_email = ${textOf(`u.${address}`, email.type)} limit 1) is null
          from ${table} as u
          where u.${key} = s.clerk_id
        ) is not false
        else true
      end${links === "" ? "" : `\n    and ${indent(links, 4)}`}
  )
)`;
}

/** A row without a Clerk id may have the address in another case: whether one does is settled first. */
function unlinkedRowWaits(users: UsersMapping): string {
  const email = columnOf(users, "email");
  if (email === undefined) return "";
  const table = quoteTable(users.table);
  return `case -- usually each row has its Clerk id
  when exists (select 1 from ${table} as u where ${isUnlinked(users, "u")}) then (
    select true
    from ${table} as u
    where lower(${textOf(`u.${quoteIdentifier(email.name)}`, email.type)}) = lower(s.payload ->> 'email')
      and ${isUnlinked(users, "u")}
    limit 1
  ) is null
  else true
end`;
}

/** Whether a row has no Clerk id. */
function isUnlinked({ key }: UsersMapping, alias?: string): string {
  const name = alias === undefined ? quoteIdentifier(key.name) : `${alias}.${quoteIdentifier(key.name)}`;
  return key.emptyText === null ? `${name} is null` : `(${name} is null or ${name} = ${quoteLiteral(key.emptyText)})`;
}

/** Whether a column of texts holds this text, as an index on the column compares them. */
function holdsText({ name, type, sqlType }: MappedColumn, alias: string, text: string): string {
  const column = `${alias}.${quoteIdentifier(name)}`;
  if (type.kind !== "citext") return `${column} = ${text}`;
  const [schema] = /^.*(?=\.)/.exec(sqlType) ?? ["public"];
  return `${column} operator(${schema}.=) ${text}::${sqlType}`;
}

type StateField = { name: string; value: string; isFlag?: boolean };

/** What clerk_sync.user_state holds of a user: what the sync decides by, and what the mirror needs and no column has. */
function stateFields(users: UsersMapping): StateField[] {
  const flag = (name: string): StateField => ({
    name,
    value: `coalesce(case when w.payload ? '${name}' then (w.payload ->> '${name}')::boolean else k.${name} end, false)`,
    isFlag: true,
  });
  const text = (name: string, key = name): StateField => ({
    name,
    value: `case when w.payload ? '${key}' then w.payload ->> '${key}' else k.${name} end`,
  });
  return [
    text("external_id"),
    {
      name: "phone", // the mirror confirms it: a number that Clerk has not verified would let its owner in
      value:
        "case when not w.payload ? 'phone' then k.phone when (w.payload ->> 'phone_verified')::boolean then w.payload ->> 'phone' end",
    },
    {
      name: "email_verified",
      value:
        "coalesce(case when w.payload ? 'email_verified' then (w.payload ->> 'email_verified')::boolean else k.email_verified end, false)",
    },
    flag("banned"),
    flag("locked"),
    flag("deprovisioned"),
    { name: "ignored", value: ignoredColumns(users, true) },
    ...(columnOf(users, "email") === undefined ? [text("email")] : []),
    ...(columnOf(users, "name") === undefined ? [text("name")] : []),
    ...(columnOf(users, "public_metadata.role") === undefined ? [text("role", "user_role")] : []),
  ];
}

/** Of what kind the values are that columns refuse, by column; null when they refuse none. keeps: what is known of fields that are absent stays. */
function ignoredColumns(users: UsersMapping, keeps = false): string {
  const refusable = users.columns.filter((column) => allowedOf(column) !== null);
  if (refusable.length === 0) return "null::jsonb";
  const kinds = refusable.map((column) => {
    const key = keyOf(column);
    const given = isGivenBy(column, "w.payload");
    return `${quoteLiteral(column.name)}, case
    when ${given}w.payload ->> ${key} <> all (${allowedOf(column)})
      then clerk_sync.kind_of(w.payload -> ${key})${keeps ? `\n    when not w.payload ? ${key} then k.ignored ->> ${quoteLiteral(column.name)}` : ""}
  end`;
  });
  // a function takes at most 100 arguments
  const parts = Array.from({ length: Math.ceil(kinds.length / 50) }, (_, place) =>
    kinds.slice(place * 50, place * 50 + 50),
  );
  const objects = parts.map((part) => `jsonb_build_object(\n  ${part.join(",\n  ")}\n)`);
  return `nullif(jsonb_strip_nulls(${objects.join(" || ")}), '{}')`;
}

function defaultColumns(users: UsersMapping): string {
  const metadata = users.columns.filter(
    (column) => isMetadataPath(column.source) && column.write === "always" && !isComputed(column),
  );
  const table = quoteTable(users.table);
  const key = quoteIdentifier(users.key.name);
  const statements = metadata.map((column) => {
    const name = quoteIdentifier(column.name);
    const fallback = typedDefault(column, `u.${key}`);
    return `  if p_source = ${quoteLiteral(column.source)} and ${keyOf(column)} <> all (p_absent) then
    update ${table} as u
    set ${lines([`${name} = ${fallback}`, ...touches(users)], 8)}
    where u.${key} = p_clerk_id
      and ${comparable(`u.${name}`, column.type)} is distinct from ${comparable(fallback, column.type)};
  end if;`;
  });
  return `-- Gives the columns of a metadata key their default. Called when an event that was passed over is the first to have the
-- key: the newest event, which was written before, has metadata without it, unless the key is among what was absent there.
create or replace function clerk_sync.default_user_columns(p_clerk_id text, p_source text, p_absent text[], p_now timestamptz)
returns void
${
  statements.length === 0
    ? nothing()
    : `language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
begin
${statements.join("\n")}
end
$$`
};
`;
}

function deleteUsers(users: UsersMapping): string {
  const table = quoteTable(users.table);
  const key = quoteIdentifier(users.key.name);
  const remove = `-- Removes rows, whatever becomes of the rows of deleted users.
create or replace function clerk_sync.remove_users(p_clerk_ids text[])
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_count integer;
begin
  delete from ${table} as u
  where u.${key} = any (p_clerk_ids);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
`;
  if (users.softDelete === null) {
    return `${remove}
-- What becomes of the rows of deleted users: they go.
create or replace function clerk_sync.delete_users(p_clerk_ids text[], p_now timestamptz)
returns void
language sql
set search_path = ''
as $$
  select clerk_sync.remove_users(p_clerk_ids);
$$;
`;
  }
  const deletedAt = quoteIdentifier(users.softDelete.column);
  const sets = [`${deletedAt} = ${timeAs("p_now", users.softDelete.type)}`, ...touches(users)];
  return `${remove}
-- What becomes of the rows of deleted users: they stay, marked.
create or replace function clerk_sync.delete_users(p_clerk_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
begin
  update ${table} as u
  set ${lines(sets, 6)}
  where u.${key} = any (p_clerk_ids)
    and u.${deletedAt} is null;
end
$$;
`;
}

/** The Clerk id of a row; null where it has none. */
function heldId({ key: { emptyText } }: UsersMapping, id: string): string {
  return emptyText === null ? id : `nullif(${id}, ${quoteLiteral(emptyText)})`;
}

function emailFunctions(users: UsersMapping): string[] {
  const email = columnOf(users, "email");
  const isUnique = email?.isWhollyUnique === true;
  const table = quoteTable(users.table);
  const key = quoteIdentifier(users.key.name);
  const unique = `-- Whether two rows may not have one address.
create or replace function clerk_sync.emails_are_unique()
returns boolean
language sql
immutable
set search_path = ''
as $$
  select ${isUnique};
$$;
`;
  if (email === undefined || !isUnique) {
    return [
      `${unique}
-- The rows that hold these addresses: none is held, because the table lets several rows have one.
create or replace function clerk_sync.email_holders(p_emails text[])
returns table (email text, clerk_id text)
language sql
immutable
set search_path = ''
as $$
  select null::text, null::text where false;
$$;

-- Takes their addresses from users; none is ever taken.
create or replace function clerk_sync.take_emails(p_clerk_ids text[], p_now timestamptz)
returns void
${nothing()};
`,
    ];
  }
  const name = quoteIdentifier(email.name);
  const empty = defaultOf(email, `u.${key}`);
  return [
    `${unique}
-- The rows that hold these addresses; clerk_id is null where the row has none.
create or replace function clerk_sync.email_holders(p_emails text[])
returns table (email text, clerk_id text)
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  select i.email, u.clerk_id
  from (select distinct e.email from unnest(p_emails) as e(email) where e.email is not null) as i
  -- offset 0: a lookup each, whatever the statistics say
  cross join lateral (
    select ${heldId(users, `r.${key}::text`)} as clerk_id from ${table} as r where ${holdsText(email, "r", "i.email")} offset 0
  ) as u;
end
$$;

-- Takes their addresses from users.
create or replace function clerk_sync.take_emails(p_clerk_ids text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
set timezone = 'UTC'
as $$
begin
  update ${table} as u
  set ${lines([`${name} = ${empty ?? "null"}`, ...touches(users)], 6)}
  where u.${key} = any (p_clerk_ids);
end
$$;
`,
  ];
}

function findByText(users: UsersMapping): string {
  const table = quoteTable(users.table);
  const head = `-- The users whose rows hold a text in a mapped column of texts: as it is written, or in any case where the index is on
-- lower(column); an email also in lower case. A column without an index is not read: not_searched has [{name, remedy}]. At most
-- 50 users of a column and 100 of all; is_cut when more rows hold the text.
create or replace function clerk_sync.find_by_text(
  p_q text,
  out clerk_ids    text[],
  out searched     text[],
  out not_searched jsonb,
  out is_cut       boolean
)`;
  const columns = users.columns.filter(({ type }) => isText(type));
  if (columns.length === 0) return `${head}\n${nothing("select '{}'::text[], '{}'::text[], '[]'::jsonb, false;")};\n`;
  const id = heldId(users, keyText(users, "u"));
  const find = (condition: string) => `array(select ${id} from ${table} as u where ${condition} limit 51)`;
  const findWritten = (column: MappedColumn) => {
    const texts = column.source === "email" ? ["p_q", "nullif(lower(p_q), p_q)"] : ["p_q"];
    return texts.map((text) => find(holdsText(column, "u", text))).join("\n      || ");
  };
  const lookups = columns.map((column, place) => {
    const name = quoteIdentifier(column.name);
    const indexed = column.type.kind === "citext" ? name : `lower(${name})`;
    return `(
  ${place + 1}, ${quoteLiteral(column.name)}, ${quoteLiteral(`create index on ${table} (${indexed});`)},
  case clerk_sync.text_index(${quoteLiteral(table)}, ${quoteLiteral(column.name)})
    when 'lower' then ${find(`lower(u.${name}) = lower(p_q)`)}
    when 'plain' then ${findWritten(column)}
  end
)`;
  });
  const changed = "-- The table has changed. Run: clerk-sync doctor";
  const unread = JSON.stringify(columns.map(({ name }) => ({ name, remedy: changed })));
  return `${head}
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- it collects all that an index finds before the limit
set plan_cache_mode = 'force_custom_plan' -- of a table that was empty any index looks as good as the column's own
as $$
begin
  with looked as materialized (
    select c.place, c.name, c.remedy, c.ids
    from (values
      ${lines(
        lookups.map((lookup) => indent(lookup, 6)),
        6,
      )}
    ) as c(place, name, remedy, ids)
  ),
  holders as (
    select distinct i.id
    from looked as l
    cross join unnest(l.ids[1:50]) as i(id)
    where i.id is not null
  )
  select
    array(select h.id from holders as h order by h.id limit 100),
    coalesce(array_agg(l.name order by l.place) filter (where l.ids is not null), '{}'),
    coalesce(
      jsonb_agg(jsonb_build_object('name', l.name, 'remedy', l.remedy) order by l.place) filter (where l.ids is null), '[]'
    ),
    coalesce(bool_or(cardinality(l.ids) > 50), false) or (select count(*) > 100 from holders)
  into clerk_ids, searched, not_searched, is_cut
  from looked as l;
exception
  when undefined_column then -- a search by id must work all the same
    clerk_ids := '{}';
    searched := '{}';
    not_searched := ${quoteLiteral(unread)};
    is_cut := false;
end
$$;
`;
}

function findUnlinked(users: UsersMapping): string {
  const table = quoteTable(users.table);
  const key = `u.${quoteIdentifier(users.key.name)}`;
  const { emptyText } = users.key;
  const find = (condition: string) => `(select ${rowIdText(users)} from ${table} as u where ${condition} limit p_most)`;
  const finds = [find(`${key} is null`), ...(emptyText === null ? [] : [find(`${key} = ${quoteLiteral(emptyText)}`)])];
  return `-- Rows without a Clerk id, through the unique index of the key.
create or replace function clerk_sync.rows_without_id(p_most integer)
returns table (row_id text)
language plpgsql
stable
set search_path = ''
set jit = 'off'
set enable_seqscan = 'off' -- as clerk_sync_run_jobs
set enable_bitmapscan = 'off' -- as clerk_sync.find_by_text
as $$
begin
  return query
  ${finds.join("\n  union all\n  ")};
end
$$;
`;
}

function linkUsers(users: UsersMapping): string {
  const email = columnOf(users, "email");
  const table = quoteTable(users.table);
  const key = quoteIdentifier(users.key.name);
  const head = `create or replace function clerk_sync.link_users(p_emails text[], p_clerk_ids text[])
returns void`;
  if (users.linkBy === null || email === undefined) {
    return `${findReferences(users)}
-- Links rows without a Clerk id to users; the configuration links none.
${head}
${nothing()};
`;
  }
  const address = textOf(`r.${quoteIdentifier(email.name)}`, email.type);
  const rowId = quoteIdentifier(users.rowId);
  return `${findReferences(users)}
-- Finds rows without a Clerk id by their address. Usually the index is empty. An earlier mapping may have had another column.
drop index if exists ${quoteIdentifier(users.table.schema)}.clerk_sync_unlinked_email_idx;
create index clerk_sync_unlinked_email_idx
  on ${table} (lower(${email.type.kind === "text" ? quoteIdentifier(email.name) : `${quoteIdentifier(email.name)}::text`}))
  where ${isUnlinked(users)};

-- Links rows without a Clerk id (the app made them before the sync, or by its own sign-up) to the Clerk users who have proved
-- the address. The case of an address does not count. A user who has a row by then keeps the older one, when the sync made
-- the newer one and no row of another table references it. Else nothing is deleted or moved, and the user's state names the row.
${head}
language plpgsql
set search_path = ''
as $$
declare
  v_link record;
  v_row  record;
begin
  for v_link in
    select i.email, i.clerk_id
    from unnest(p_emails, p_clerk_ids) as i(email, clerk_id)
  loop
    select r.ctid as place, r.${rowId}::text as row_id
    into v_row
    from ${table} as r
    where lower(${address}) = lower(v_link.email)
      and ${isUnlinked(users, "r")}
    order by (${address} = v_link.email) desc, r.${rowId}
    limit 1
    for update;
    continue when not found;
    if exists (select 1 from ${table} as u where u.${key} = v_link.clerk_id)
      and (
        (select r.row_made_at from clerk_sync.records as r where r.id = v_link.clerk_id) is null
        or clerk_sync.row_is_referenced(v_link.clerk_id)
      )
    then
      insert into clerk_sync.user_state as s (clerk_id, unlinked_row)
      values (v_link.clerk_id, v_row.row_id)
      on conflict (clerk_id) do update
        set unlinked_row = excluded.unlinked_row;
      continue;
    end if;
    delete from ${table} as u
    where u.${key} = v_link.clerk_id;
    update ${table} as u
    set ${key} = v_link.clerk_id
    where u.ctid = v_row.place;
    update clerk_sync.records as r
    set ungiven = null,
        row_made_at = null
    where r.id = v_link.clerk_id;
    update clerk_sync.user_state as s
    set unlinked_row = null
    where s.clerk_id = v_link.clerk_id;
  end loop;
end
$$;
`;
}

/** Whether the row of a user may not be deleted in favour of an older one. */
function findReferences(users: UsersMapping): string {
  const table = quoteTable(users.table);
  const head = `create or replace function clerk_sync.row_is_referenced(p_clerk_id text)
returns boolean`;
  if (users.linkBy === null) {
    return `-- Whether rows of other tables refer to the row of a user; asked for links only.
${head}
${nothing("select true;")};
`;
  }
  if (users.references.length === 0) {
    return `-- Whether rows of other tables may refer to the row of a user: a foreign key on the table has been made since this function.
${head}
${nothing(`select exists (
    select 1 from pg_catalog.pg_constraint as c where c.confrelid = ${quoteLiteral(table)}::regclass and c.conparentid = 0
  );`)};
`;
  }
  const conditions = users.references.map(({ table: from, columns, references }) => {
    const pairs = columns.map((column, place) => {
      const target = references[place] ?? users.rowId;
      return `c.${quoteIdentifier(column)} = u.${quoteIdentifier(target)}`;
    });
    return `exists (select 1 from ${quoteTable(from)} as c where ${pairs.join(" and ")})`;
  });
  const answer = `return exists (
    select 1
    from ${table} as u
    where u.${quoteIdentifier(users.key.name)} = p_clerk_id
      and (
        ${lines(conditions, 8, "").replaceAll("\n        exists", "\n        or exists")}
      )
  );`;
  return `-- Whether rows of other tables refer to the row of a user, or may: when the foreign keys on the table are not those that
-- this function was generated for, it says so of every row. With the rights of its owner: service_role may not read every
-- table.
${head}
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  if (
    select count(*)
    from pg_catalog.pg_constraint as c
    where c.confrelid = ${quoteLiteral(table)}::regclass
      and c.conparentid = 0
  ) <> ${users.references.length} then
    return true;
  end if;
  ${answer}
exception
  when undefined_table or undefined_column then
    return true;
end
$$;
`;
}

/** Whether Clerk may have a value that the column does not take. */
function mayBeRefused(column: ValueColumn): boolean {
  return (
    !["now", "id", "uuid"].includes(column.source) &&
    allowedOf(column) === null &&
    !["text", "citext", "json", "jsonb"].includes(column.type.kind)
  );
}

/** Which column does not take a value, in words for the job; PostgreSQL's own message quotes the value. */
export function refusedColumn(kind: string, columns: readonly ValueColumn[]): string {
  const tried = columns.filter(mayBeRefused);
  const tries = tried.map((column) => {
    const key = keyOf(column);
    const text = `p_payload ->> ${key}`;
    const refuse = `return format('column %s does not take what Clerk has, %s', ${quoteLiteral(column.name)}, clerk_sync.describe_value(p_payload -> ${key}));`;
    if (column.type.kind === "varchar" && column.type.length !== null) {
      return `  if char_length(${text}) > ${column.type.length} then
    ${refuse}
  end if;`;
    }
    return `  begin
    perform ${castTo(column, "p_payload")};
  exception
    when data_exception then
      ${refuse}
  end;`;
  });
  const head = `-- Names the column that does not take what an event brings, and of what kind the value is; null when each takes it.
create or replace function clerk_sync.refused_${kind}_column(p_payload jsonb)
returns text`;
  if (tries.length === 0) return `${head}\n${nothing("select null::text;")};\n`;
  return `${head}
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
as $$
begin
${lines([...tries, "  return null;"], 0, "")}
end
$$;
`;
}

function compareUsers(users: UsersMapping): string {
  const table = quoteTable(users.table);
  const key = quoteIdentifier(users.key.name);
  const compared = users.columns.filter(
    (column) =>
      !["now", "uuid", "id", "created_at", "updated_at"].includes(column.source) &&
      column.write === "always" &&
      column.name !== users.key.name,
  );
  const editable = users.access.kind === "own_row" ? users.access.editable : [];
  // a column may round what it is given, as timestamp(0) does: what Clerk has is rounded like it
  const textValue = (expression: string, { type, sqlType }: MappedColumn) => {
    if (type.kind === "json") return `${expression}::jsonb::text`;
    if (type.kind === "text") return expression;
    return sqlType.includes("(") ? `${expression}::${sqlType}::text` : `${expression}::text`;
  };
  const rows = compared.map((column) => {
    const source = quoteLiteral(column.source);
    const key = keyOf(column);
    const name = quoteIdentifier(column.name);
    const values = [quoteLiteral(column.name), key, textValue(`n.${name}`, column), textValue(`u.${name}`, column)];
    const isSaid = `p_payload ? ${key}${isComputed(column) ? ` and ${hasValue(column, "p_payload")}` : ""}`;
    const isGiven = `(p_payload -> 'given' ? ${source} or ${source} = any (v_given))`;
    return `(${[...values, editable.includes(column.name), isMetadataPath(column.source) ? `${isSaid} and ${isGiven}` : isSaid].join(", ")})`;
  });
  const head = `-- The columns in which the row of a user is not as Clerk has it; p_payload is what Clerk says, as an event has it. A column of
-- metadata that Clerk never gave does not count. is_editable: the user may have changed it here.
create or replace function clerk_sync.differing_columns(p_clerk_id text, p_payload jsonb)
returns table (name text, key text, clerk text, here text, is_editable boolean)`;
  if (rows.length === 0) {
    return `${head}\n${nothing("select null::text, null::text, null::text, null::text, false where false;")};\n`;
  }
  return `${head}
language plpgsql
stable
set search_path = ''
set timezone = 'UTC'
set jit = 'off'
set plan_cache_mode = 'force_generic_plan' -- a plan for this payload would evaluate the casts while it is made, also those that a case guards
as $$
declare
  v_given text[] := (select r.given from clerk_sync.records as r where r.id = p_clerk_id);
begin
  return query
  select c.name, c.key, c.clerk, c.here, c.is_editable
  from ${table} as u
  cross join lateral (
    select
      ${lines(
        compared.map(
          (column) => `${indent(valueFor(column, "p_payload", "p_clerk_id"), 6)} as ${quoteIdentifier(column.name)}`,
        ),
        6,
      )}
  ) as n
  cross join lateral (
    values
      ${lines(rows, 6)}
  ) as c(name, key, clerk, here, is_editable, is_said)
  where u.${key} = p_clerk_id
    and c.is_said
    and c.clerk is distinct from c.here;${
      compared.some(mayBeRefused)
        ? `
exception
  when data_exception then -- a column does not take what Clerk has: nothing of the event was written, and its job says why
    return;`
        : ""
    }
end
$$;
`;
}

function readableRow(users: UsersMapping): string {
  return `-- The columns of a row that its user may read through the API.
create or replace function clerk_sync.readable_row(p_clerk_id text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select coalesce(jsonb_object_agg(c.key, c.value), '{}')
    from ${quoteTable(users.table)} as u
    cross join lateral jsonb_each(to_jsonb(u)) as c
    where u.${quoteIdentifier(users.key.name)} = p_clerk_id
      and has_column_privilege('authenticated', ${quoteLiteral(quoteTable(users.table))}, c.key, 'select')
  );
end
$$;
`;
}

function giveAccess(users: UsersMapping): string {
  const table = quoteTable(users.table);
  const service = grantService(users.table);
  if (users.access.kind === "leave") return service;
  const { editable } = users.access;
  const own = `${quoteIdentifier(users.key.name)} = ((select auth.jwt()) ->> 'sub')`;
  const row = quoteIdentifier(users.table.name);
  const sizes = editable.map((column) => `coalesce(octet_length(to_jsonb(${row}) ->> ${quoteLiteral(column)}), 0)`);
  const update =
    editable.length === 0
      ? ""
      : `
-- What a user may edit stays small: 64 kB together. The sync and the owner are not bounded. Restrictive, so that PostgreSQL
-- names this policy when it refuses. By key, because the owner may drop a column that users edit.
create policy users_update_at_most_64_kb
  on ${table}
  as restrictive
  for update
  to authenticated
  using (true)
  with check (
    ${sizes.join("\n      + ")} <= 65536
  );

create policy users_update_own
  on ${table}
  for update
  to authenticated
  using (${own})
  with check (${own});
${["users_update_at_most_64_kb", "users_update_own"].map((policy) => commentOnPolicy(policy, table)).join("\n")}
`;
  return `${service}
-- A signed-in user reads the own row, and edits only what the configuration lets users edit: column grants keep the rest out
-- of reach, which row level security cannot do.
revoke all on ${table} from public, anon, authenticated;
grant select on ${table} to authenticated;
${editable.length === 0 ? "" : `grant update (${editable.map(quoteIdentifier).join(", ")}) on ${table} to authenticated;\n`}
alter table ${table} enable row level security;
drop policy if exists users_select_own on ${table};
drop policy if exists users_update_at_most_64_kb on ${table};
drop policy if exists users_update_own on ${table};

-- In exactly this form: auth.uid() raises on a Clerk id, and Supabase's linter flags the others.
create policy users_select_own
  on ${table}
  for select
  to authenticated
  using (${own});
${commentOnPolicy("users_select_own", table)}
${update}`;
}

/** By the comment clerk_sync.describe_objects knows it from policies of the owner's. */
const commentOnPolicy = (policy: string, table: string) =>
  `comment on policy ${policy} on ${table} is ${quoteLiteral(commentOfOurs)};`;
