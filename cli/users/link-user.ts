import pg from "pg";
import { SyncError } from "#core/errors.ts";
import type { Reference } from "../../mapping/mapping.ts";
import { quoteIdentifier, quoteTable } from "../../mapping/quote.ts";
import { findColumn } from "../../mapping/resolve.ts";
import { changeForeignKey, type MappedTable, readMappedTable } from "./read-mapped-table.ts";

/** The row that a Clerk user gets, and the one the user had. */
export type Link = {
  clerk_id: string;
  /** With its schema, quoted. */
  table: string;
  /** The row that stays. */
  row: string;
  /** The row that the user has now, which is deleted; null: none. */
  newer_row: string | null;
  /** Rows of other tables that hang on each, by foreign key. */
  references: readonly { table: string; columns: readonly string[]; here: number; newer: number }[];
  /** The columns in which the two rows differ: Clerk says the mapped ones, the others stay as the older row has them. */
  differences: readonly { column: string; here: unknown; newer: unknown; stays: boolean }[];
};

type Row = Record<string, unknown>;

/**
 * Gives an older row to a Clerk user, in the transaction of the caller: rows that reference the newer row are moved to the
 * older one, the newer one is deleted, and the user is read again from Clerk for the values. `actor` stands in the audit.
 * Throws SyncError `rows_refused` with what stands in the way, and `schema_outdated`.
 */
export async function linkUser(
  client: pg.ClientBase,
  { clerkId, row, actor }: { clerkId: string; row: string; actor: string },
): Promise<Link> {
  const mapped = await readMappedTable(client);
  const { table, facts } = mapped;
  if (mapped.rowId === mapped.key)
    throw refuse(`The Clerk id is the primary key of ${table}: no row without one is there.`);
  await lockUser(client, clerkId);
  const older = await readRow(client, mapped, mapped.rowId, row);
  if (older === null) throw refuse(`${table} has no row whose ${mapped.rowId} is ${row}.`);
  if (older.values[mapped.key] === clerkId) throw refuse(`The row ${row} is linked to ${clerkId} already.`);
  if (!older.isUnlinked) {
    throw refuse(`The row ${row} of ${table} belongs to another Clerk user, ${String(older.values[mapped.key])}.`);
  }
  const newer = await readRow(client, mapped, mapped.key, clerkId);
  const references: Link["references"][number][] = [];
  for (const reference of facts.references) {
    const here = await countReferences(client, mapped, reference, older);
    const found = newer === null ? 0 : await countReferences(client, mapped, reference, newer);
    references.push({ table: quoteTable(reference.table), columns: reference.columns, here, newer: found });
    if (newer !== null && found > 0) await moveReferences(client, mapped, reference, { older, newer });
  }
  await replaceRow(client, mapped, { clerkId, older, newer });
  await settle(client, { clerkId, actor, row, newer: newer?.id ?? null });
  return {
    clerk_id: clerkId,
    table,
    row,
    newer_row: newer?.id ?? null,
    references: references.filter(({ here, newer: found }) => here + found > 0),
    differences: newer === null ? [] : compareRows(mapped, older.values, newer.values),
  };
}

/** The record is the lock of the user: no worker writes the row meanwhile. */
async function lockUser(client: pg.ClientBase, clerkId: string): Promise<void> {
  const { rows } = await client.query<{ deleted_at: Date | null }>(
    "select deleted_at from clerk_sync.records where id = $1 and kind = 'user'",
    [clerkId],
  );
  const resync = `clerk-sync users resync ${clerkId}`;
  if (rows[0] === undefined) throw refuse(`The sync does not know ${clerkId}. If Clerk does: ${resync}.`);
  if (rows[0].deleted_at !== null) throw refuse(`${clerkId} is deleted here. If Clerk still has the user: ${resync}.`);
  await client.query("select clerk_sync.lock_records(array[$1::text])", [clerkId]);
}

/** `id` names the row as text, so that a bigint stays exact. */
type FoundRow = { id: string; values: Row; isUnlinked: boolean };

async function readRow(
  client: pg.ClientBase,
  { facts, table, rowId, isUnlinked }: MappedTable,
  column: string,
  value: string,
): Promise<FoundRow | null> {
  const type = findColumn(facts, column)?.sqlType ?? "text";
  try {
    const { rows } = await client.query<FoundRow>(
      `select u.${quoteIdentifier(rowId)}::text as id, to_jsonb(u) as values, ${isUnlinked} as "isUnlinked"
       from ${table} as u where u.${quoteIdentifier(column)} = $1::${type} for update`,
      [value],
    );
    return rows[0] ?? null;
  } catch (cause) {
    // class 22: the text is no value of that type
    if (!(cause instanceof pg.DatabaseError && cause.code?.startsWith("22"))) throw cause;
    throw refuse(`--row ${value} is no ${type}, as ${column} of ${table} is.`, cause);
  }
}

/** The condition that a row `c` references these values, which come as text. */
function matchReference({ columns, references }: Reference, { facts }: MappedTable, from: number): string {
  return columns
    .map((column, place) => {
      const type = findColumn(facts, references[place] ?? "")?.sqlType ?? "text";
      return `c.${quoteIdentifier(column)} = $${from + place}::${type}`;
    })
    .join(" and ");
}

async function readReferenced(
  client: pg.ClientBase,
  mapped: MappedTable,
  reference: Reference,
  row: FoundRow,
): Promise<unknown[]> {
  const type = findColumn(mapped.facts, mapped.rowId)?.sqlType ?? "text";
  const list = reference.references.map((column) => `u.${quoteIdentifier(column)}::text`).join(", ");
  const { rows } = await client.query<{ found: unknown[] }>(
    `select array[${list}] as found from ${mapped.table} as u where u.${quoteIdentifier(mapped.rowId)} = $1::${type}`,
    [row.id],
  );
  return rows[0]?.found ?? [];
}

async function countReferences(
  client: pg.ClientBase,
  mapped: MappedTable,
  reference: Reference,
  row: FoundRow,
): Promise<number> {
  const values = await readReferenced(client, mapped, reference, row);
  const { rows } = await client.query<{ count: number }>(
    `select count(*)::integer as count from ${quoteTable(reference.table)} as c where ${matchReference(reference, mapped, 1)}`,
    values,
  );
  return rows[0]?.count ?? 0;
}

type Pair = { older: FoundRow; newer: FoundRow };

/** A reference to the Clerk id stays as it is, for the older row gets that id. Every other one is given to the older row. */
async function moveReferences(
  client: pg.ClientBase,
  mapped: MappedTable,
  reference: Reference,
  { older, newer }: Pair,
): Promise<void> {
  const name = quoteTable(reference.table);
  if (reference.references.includes(mapped.key)) {
    if (reference.onDelete === "no action") return;
    const what = `Rows of ${name} reference ${mapped.key} with on delete ${reference.onDelete}: deleting the newer row would change them.`;
    const statement = await changeForeignKey(client, reference, "no on delete");
    throw refuse(`${what} Take that away while you link, and give it back afterwards:\n  ${statement}`);
  }
  const old = await readReferenced(client, mapped, reference, newer);
  const columns = reference.columns.map((column, place) => {
    const type = findColumn(mapped.facts, reference.references[place] ?? "")?.sqlType ?? "text";
    return `${quoteIdentifier(column)} = $${old.length + place + 1}::${type}`;
  });
  const statement = `update ${name} as c set ${columns.join(", ")} where ${matchReference(reference, mapped, 1)}`;
  const values = [...old, ...(await readReferenced(client, mapped, reference, older))];
  try {
    await client.query(statement, values);
  } catch (cause) {
    if (!(cause instanceof pg.DatabaseError)) throw cause;
    const shown = statement.replace(
      /\$(\d+)/g,
      (_, place) => `'${String(values[Number(place) - 1]).replaceAll("'", "''")}'`,
    );
    const remedy = "Decide what becomes of those rows, change or delete them, and run this again.";
    throw refuse(`Rows of ${name} cannot be moved: ${cause.message}. ${remedy} What was tried:\n  ${shown};`, cause);
  }
}

/** One statement, so that a foreign key on the Clerk id finds it again when it looks. */
async function replaceRow(
  client: pg.ClientBase,
  { table, key, rowId, facts }: MappedTable,
  { clerkId, older, newer }: Pick<Pair, "older"> & { clerkId: string; newer: FoundRow | null },
): Promise<void> {
  const [keyName, rowName] = [quoteIdentifier(key), quoteIdentifier(rowId)];
  const type = findColumn(facts, rowId)?.sqlType ?? "text";
  const set = `set ${keyName} = $1`;
  const place = `u.${rowName} = $2::${type}`;
  const own = [clerkId, older.id];
  try {
    if (newer === null) await client.query(`update ${table} as u ${set} where ${place}`, own);
    else {
      await client.query(
        `with gone as (delete from ${table} as n where n.${rowName} = $3::${type} returning 1)
         update ${table} as u ${set} from gone where ${place}`,
        [...own, newer.id],
      );
    }
  } catch (cause) {
    if (!(cause instanceof pg.DatabaseError)) throw cause;
    throw refuse(`The row ${own[1]} of ${table} cannot be linked: ${cause.message}.`, cause);
  }
}

/** What the sync keeps of the user, the fresh read that writes the values, and the audit. */
async function settle(
  client: pg.ClientBase,
  { clerkId, actor, row, newer }: { clerkId: string; actor: string; row: string; newer: string | null },
): Promise<void> {
  // a row that was there keeps what is written once, and is never deleted for another
  await client.query("update clerk_sync.records set ungiven = null, row_made_at = null where id = $1", [clerkId]);
  await client.query("update clerk_sync.user_state set unlinked_row = null where clerk_id = $1", [clerkId]);
  await client.query("select public.clerk_sync_request_refresh(array[$1::text], 'linked')", [clerkId]);
  await client.query("select public.clerk_sync_note_action($1, 'link_user', $2, 1, $3::jsonb)", [
    actor,
    clerkId,
    JSON.stringify({ row, ...(newer === null ? {} : { deleted_row: newer }) }),
  ]);
}

function compareRows({ facts, key, rowId, sources }: MappedTable, older: Row, newer: Row): Link["differences"] {
  return facts.columns
    .map(({ name }) => name)
    .filter((column) => column !== key && column !== rowId && !["now", "uuid", "id"].includes(sources[column] ?? ""))
    .filter((column) => JSON.stringify(older[column]) !== JSON.stringify(newer[column]))
    .map((column) => ({ column, here: older[column], newer: newer[column], stays: sources[column] === undefined }));
}

function refuse(message: string, cause?: unknown): SyncError {
  return new SyncError("rows_refused", message, cause === undefined ? {} : { cause });
}
