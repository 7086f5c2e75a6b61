import type { NewJob } from "#core/database.ts";

/** What of a job makes the row of its user. */
export type UserRow = { clerk_id: string; email: string; name: string; role: string; version: number };

export function toUserRow({ clerk_id, payload, version }: NewJob): UserRow {
  const text = (name: string) => String(payload[name]);
  return { clerk_id: clerk_id ?? "", email: text("email"), name: text("name"), role: text("user_role"), version };
}

/**
 * Writes the rows of `$1`, a JSON array of UserRow, as every peer does: one statement, the newest of a user wins, an
 * older one never overwrites a newer (by updated_at, which peers that keep no state of their own compare).
 */
export const upsertUsers = `
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
