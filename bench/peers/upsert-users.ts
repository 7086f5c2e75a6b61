import type pg from "pg";
import type { NewJob } from "#core/database/database.ts";

/** What of a job makes the row of its user. */
export type UserRow = { clerk_id: string; email: string | null; name: string | null; role: string; version: number };

export function toUserRow({ clerk_id, payload, version }: NewJob): UserRow {
  const text = (name: string) => String(payload[name]);
  return { clerk_id: clerk_id ?? "", email: text("email"), name: text("name"), role: text("user_role"), version };
}

const uniqueViolation = "23505";
const attempts = 5;

/** Runs a statement with one value. */
export type Query = (text: string, values: [string]) => Promise<unknown>;

export function queryOf(connection: Pick<pg.Pool, "query">): Query {
  return (text, values) => connection.query(text, values);
}

/**
 * Writes rows, and again when two writers of one user met at the unique email: `on conflict` looks at clerk_id only, and
 * whoever copies this from a blog finds out.
 */
export async function upsertUsers(query: Query, rows: readonly UserRow[], attempt = 1): Promise<void> {
  try {
    await query(statement, [JSON.stringify(rows)]);
  } catch (error) {
    if ((error as { code?: unknown }).code !== uniqueViolation || attempt === attempts) throw error;
    await upsertUsers(query, rows, attempt + 1);
  }
}

/**
 * Writes the rows of `$1`, a JSON array of UserRow, as every peer does: one statement, the newest of a user wins, an
 * older one never overwrites a newer (by updated_at, which peers that keep no state of their own compare).
 */
const statement = `
  insert into public.users as u (clerk_id, email, name, role, created_at, updated_at, "createdAt", "updatedAt")
  select
    n.clerk_id, n.email, n.name, n.role::public."UserRole", n.at, n.at, n.at at time zone 'utc', n.at at time zone 'utc'
  from (
    select distinct on (i.clerk_id) i.*, to_timestamp(i.version / 1000.0) as at
    from jsonb_to_recordset($1::jsonb) as i(clerk_id text, email text, name text, role text, version bigint)
    order by i.clerk_id, i.version desc
  ) as n
  on conflict (clerk_id) do update
    set email = excluded.email, name = excluded.name, role = excluded.role, updated_at = excluded.updated_at,
        "updatedAt" = excluded."updatedAt"
    where u.updated_at <= excluded.updated_at`;
