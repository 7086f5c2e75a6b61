import type pg from "pg";
import { databaseFailure } from "../../../../local/supabase/postgrest-failure.ts";
import type { Caller } from "./read-token.ts";
import { refuse } from "./refuse.ts";

/** The role PostgREST logs in with: it may become each of the API's roles and nobody else. */
const authenticator = `
  do $$
  begin
    if not exists (select 1 from pg_catalog.pg_roles as r where r.rolname = 'authenticator') then
      create role authenticator noinherit nologin;
      grant anon, authenticated, service_role to authenticator;
    end if;
  exception
    when duplicate_object or unique_violation then
      null; -- another test file made it just now
  end
  $$`;

export async function createAuthenticator(pool: pg.Pool): Promise<void> {
  await pool.query(authenticator);
}

const becomeCaller = `
  select
    set_config('search_path', 'public', true),
    set_config('role', $1, true),
    set_config('request.jwt.claims', $2, true),
    set_config('request.method', $3, true),
    set_config('request.path', $4, true),
    set_config('request.headers', $5, true)`;

/**
 * Runs the work of one request as PostgREST does: one transaction, as the caller's role, with what the database may
 * ask of the request (docs.postgrest.org, "Transactions"). Whatever is thrown rolls it back.
 */
export async function runAs<Result>(
  pool: pg.Pool,
  { caller, request, readOnly }: { caller: Caller; request: Request; readOnly: boolean },
  work: (client: pg.ClientBase) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  try {
    await client.query(`begin ${readOnly ? "read only" : "read write"}`);
    await client.query("set local session authorization authenticator");
    const { pathname } = new URL(request.url);
    const headers = JSON.stringify(Object.fromEntries(request.headers));
    const values = [caller.role, JSON.stringify(caller.claims), request.method, pathname, headers];
    await ask(client, { sql: becomeCaller, values, caller });
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

/** Runs one statement of the caller's; what the database refuses becomes PostgREST's answer. */
export async function ask<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  { sql, values, caller }: { sql: string; values: readonly unknown[]; caller: Caller },
): Promise<Row[]> {
  try {
    return (await client.query<Row>(sql, [...values])).rows;
  } catch (error) {
    return refuse(databaseFailure(error, caller.role === "anon"));
  }
}
