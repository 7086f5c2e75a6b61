import pg from "pg";
import { authSchema } from "../../../local/open-local-database.ts";
import { applyPrelude, migrate } from "../../../server/migrate.ts";
import { startDebianPostgres } from "../database/debian-postgres.ts";
import { makeUsersTable } from "../database/test-database.ts";

/** What a Supabase project has beside pg_cron, as far as the schedule calls it: requests are recorded, secrets are a table. */
const extensions = `
  create extension pg_cron with schema pg_catalog;
  create schema net;
  create table net.requests (
    id bigint generated always as identity primary key,
    url text, body jsonb, headers jsonb, timeout_milliseconds integer
  );
  create function net.http_post(
    url text, body jsonb default '{}', params jsonb default '{}',
    headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds integer default 5000
  ) returns bigint language sql set search_path = '' as
  $$ insert into net.requests (url, body, headers, timeout_milliseconds) values ($1, $2, $4, $5) returning id $$;
  create table net._http_response (
    id bigint, status_code integer, timed_out boolean, error_msg text, created timestamptz default now()
  );
  create schema vault;
  create table vault.secrets (name text primary key, secret text);
  create view vault.decrypted_secrets as select name, secret as decrypted_secret from vault.secrets;`;

/** The settings of PostgreSQL that its pg_cron needs. */
const cronSettings = {
  shared_preload_libraries: "pg_cron",
  "cron.database_name": "postgres",
  "cron.use_background_workers": "on",
};

export type SupabaseDatabase = { url: string; client: pg.Client; stop: () => Promise<void> };

/**
 * A PostgreSQL as a Supabase project has it, with a real pg_cron, and the migrations applied to what `before` made.
 * Needs the Debian package postgresql-15-cron.
 */
export async function startSupabaseDatabase(before = ""): Promise<SupabaseDatabase> {
  const postgres = await startDebianPostgres(cronSettings);
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(extensions);
  await applyPrelude(client, authSchema);
  await client.query(before);
  await makeUsersTable(client);
  await migrate(client);
  return {
    url: postgres.url,
    client,
    stop: async () => {
      await client.end();
      await postgres.stop();
    },
  };
}
