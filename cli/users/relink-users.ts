import pg from "pg";
import { SyncError } from "#core/errors.ts";
import { quoteIdentifier } from "../../mapping/quote.ts";
import { findColumn } from "../../mapping/resolve.ts";
import type { KnownRow, Matching } from "./match-rows.ts";
import { inTransaction } from "./open-database.ts";
import type { MatchBy } from "./read-instance.ts";
import { changeForeignKey, type MappedTable, readMappedTable } from "./read-mapped-table.ts";

/**
 * Reads the mapped table, and makes sure that its Clerk ids can be changed. Throws SyncError `schema_outdated`, and
 * `rows_refused` with the statements where a foreign key on the Clerk id would not follow.
 */
export async function readRelinkable(client: pg.ClientBase): Promise<MappedTable> {
  const mapped = await readMappedTable(client);
  const rigid = mapped.facts.references.filter(
    ({ references, onUpdate }) => references.includes(mapped.key) && onUpdate !== "cascade",
  );
  if (rigid.length === 0) return mapped;
  const statements: string[] = [];
  for (const reference of rigid) statements.push(await changeForeignKey(client, reference, "on update cascade"));
  const message = `Foreign keys on ${mapped.key} of ${mapped.table} do not follow a new Clerk id. Nothing was changed. Run these statements, and then this command again:`;
  throw new SyncError("rows_refused", [message, ...statements].join("\n  "));
}

const rowsStatement = ({ emptyId }: MappedTable) => `
select
  u.clerk_id,
  array_remove(
    case $1
      when 'email' then array[lower(coalesce(u.email, s.withheld_email, s.email))]
      else array[s.external_id, u.clerk_id]
    end, null
  ) as keys,
  $1 = 'email' and coalesce(s.version > 0 and not s.email_verified, false) as is_unverified,
  u.deleted_at is not null as is_deleted
from clerk_sync.user_rows as u
left join clerk_sync.known_users as s on s.clerk_id = u.clerk_id
where u.clerk_id is not null
  and u.clerk_id not in ('', ${emptyId ?? "''"}) -- which some tables have instead of null
  and not clerk_sync.is_canary(u.clerk_id)
order by u.clerk_id`;

/** The rows that have a Clerk id. With external ids, the old Clerk id counts as one: importers write it there. */
export async function readRows(client: pg.ClientBase, mapped: MappedTable, by: MatchBy): Promise<KnownRow[]> {
  return (await client.query<KnownRow>(rowsStatement(mapped), [by])).rows;
}

const rowsOfTransaction = 300;

/**
 * How it ended. `busy` are rows whose users a worker had in flight, or which changed meanwhile; `left_auth_users` are ids of
 * Auth users that the new Clerk ids had: the user keeps the one of the row.
 */
export type Relinked = { relinked: number; busy: string[]; left_auth_users: string[] };

/**
 * Gives rows their new Clerk ids, some hundred in a transaction. `readAt`: when the instance was read; a user who was
 * deleted here after that is left out. Throws SyncError `rows_refused` when the database refuses one; the transactions
 * before it stay.
 */
export async function relinkUsers(
  client: pg.ClientBase,
  mapped: MappedTable,
  { pairs, by, actor, readAt }: Pick<Matching, "pairs"> & { by: MatchBy; actor: string; readAt: Date },
): Promise<Relinked> {
  const done: Relinked = { relinked: 0, busy: [], left_auth_users: [] };
  for (let place = 0; place < pairs.length; place += rowsOfTransaction) {
    const part = pairs.slice(place, place + rowsOfTransaction);
    try {
      const moved = await inTransaction(client, "commit", () =>
        relinkPart(client, mapped, { part, by, actor, readAt }),
      );
      done.relinked += moved.olds.size;
      done.busy.push(...part.map(({ from }) => from).filter((from) => !moved.olds.has(from)));
      done.left_auth_users.push(...moved.leftAuthUsers);
    } catch (cause) {
      if (!(cause instanceof pg.DatabaseError)) throw cause;
      const before = `${done.relinked} rows have their new Clerk id, and stay so; the same command continues with the others.`;
      throw new SyncError("rows_refused", `The database refuses a new Clerk id: ${cause.message}. ${before}`, {
        cause,
      });
    }
  }
  return done;
}

type Part = { part: Matching["pairs"]; by: MatchBy; actor: string; readAt: Date };

/** `olds`: the old ids of what was moved. */
type Moved = { olds: ReadonlySet<string>; leftAuthUsers: readonly string[] };

/** The records are the locks of the users: no worker writes these rows meanwhile. */
async function relinkPart(
  client: pg.ClientBase,
  mapped: MappedTable,
  { part, by, actor, readAt }: Part,
): Promise<Moved> {
  const ids = [part.map(({ from }) => from), part.map(({ to }) => to)] as const;
  await client.query("select clerk_sync.lock_records($1::text[] || $2::text[])", [...ids]);
  const { rows } = await client.query<{ old_id: string; new_id: string }>(findMovable, [...ids, readAt]);
  const moving = [rows.map(({ old_id }) => old_id), rows.map(({ new_id }) => new_id)];
  if (rows.length === 0) return { olds: new Set(), leftAuthUsers: [] };
  const [olds, news] = moving;
  await client.query(
    `select clerk_sync.change_jobs('cancel', array(
       select j.id from public.job_queue as j where j.clerk_id = any ($1) and j.status in ('PENDING', 'FAILED', 'DEAD')
     ), clock_timestamp(), $2)`,
    [olds, actor],
  );
  const key = quoteIdentifier(mapped.key);
  const type = findColumn(mapped.facts, mapped.key)?.sqlType ?? "text";
  await client.query(
    `update ${mapped.table} as u set ${key} = i.new_id::${type}
     from unnest($1::text[], $2::text[]) as i(old_id, new_id) where u.${key} = i.old_id::${type}`,
    moving,
  );
  await client.query(moveRecords, moving);
  const { rows: left } = await client.query<{ auth_user_id: string | null }>(dropStates, moving);
  for (const statement of moveStates) await client.query(statement, moving);
  await client.query("update clerk_sync.records set deleted_at = clock_timestamp() where id = any ($1)", [olds]);
  await client.query("select public.clerk_sync_request_refresh($1, 'relinked')", [news]);
  await client.query("select public.clerk_sync_note_action($1, 'relink_users', '', $2, $3::jsonb)", [
    actor,
    rows.length,
    JSON.stringify({ by }),
  ]);
  return { olds: new Set(olds), leftAuthUsers: left.flatMap(({ auth_user_id }) => auth_user_id ?? []) };
}

/** Pairs whose rows are still as they were read, and whose users no worker has in flight. */
const findMovable = `
select i.old_id, i.new_id
from unnest($1::text[], $2::text[]) as i(old_id, new_id)
join clerk_sync.records as n on n.id = i.new_id
where exists (select 1 from clerk_sync.user_rows as u where u.clerk_id = i.old_id and u.deleted_at is null)
  and not exists (select 1 from clerk_sync.user_rows as u where u.clerk_id = i.new_id)
  and coalesce(n.deleted_at < $3, true)
  and not exists (
    select 1 from public.job_queue as j where j.clerk_id in (i.old_id, i.new_id) and j.status = 'PROCESSING'
  )`;

/** What the sync knows of the row goes to the new id: what Clerk ever gave, what is written once, and the mirror. */
const moveRecords = `
update clerk_sync.records as n
set given = array(select distinct g from unnest(n.given || o.given) as g order by g),
    ungiven = o.ungiven,
    row_made_at = o.row_made_at,
    first_seen_at = coalesce(n.first_seen_at, o.first_seen_at),
    deleted_at = null,
    refresh_reason = null
from unnest($1::text[], $2::text[]) as i(old_id, new_id)
join clerk_sync.records as o on o.id = i.old_id
where n.id = i.new_id`;

/** Rows of other tables refer to the Auth user that the row had: where there is one, that of the new id is left. */
const dropStates = `
delete from clerk_sync.user_state as s
using unnest($1::text[], $2::text[]) as i(old_id, new_id)
where s.clerk_id = i.new_id
  and (
    s.auth_user_id is null
    or exists (select 1 from clerk_sync.user_state as o where o.clerk_id = i.old_id and o.auth_user_id is not null)
  )
returning s.auth_user_id`;

/** The old id stays, as one whose mirror is another's: a late deletion must not take the Auth user. */
const moveStates = [
  `update clerk_sync.user_state as s
   set clerk_id = i.new_id, mirrored_version = null
   from unnest($1::text[], $2::text[]) as i(old_id, new_id)
   where s.clerk_id = i.old_id
     and not exists (select 1 from clerk_sync.user_state as n where n.clerk_id = i.new_id)`,
  `insert into clerk_sync.user_state as s (clerk_id, email_verified, relinked_to)
   select i.old_id, false, i.new_id
   from unnest($1::text[], $2::text[]) as i(old_id, new_id)
   on conflict (clerk_id) do update
     set phone = null, email = null, name = null, role = null, withheld_email = null, ignored = null, relinked_to = excluded.relinked_to`,
];
