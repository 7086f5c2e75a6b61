import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type pg from "pg";
import { errorMessage, SyncError } from "#core/errors.ts";

const migrationsFolder = new URL("../supabase/migrations/", import.meta.url);
const preludeFolder = new URL("./postgres/", import.meta.url);

/** Any number, the same for every runner: it is the lock below. */
const advisoryLock = 7_461_203_001;

export type Migration = { name: string; sql: string; checksum: string };

/** Applies what Supabase has and plain PostgreSQL lacks; `withAuthUsers` adds the tables of the Auth stand-in. */
export async function applyPrelude(client: pg.ClientBase, withAuthUsers: boolean): Promise<void> {
  const files = withAuthUsers ? ["prelude.sql", "auth-schema.sql"] : ["prelude.sql"];
  for (const file of files) {
    const sql = await readFile(new URL(file, preludeFolder), "utf8");
    await client.query(sql).catch((cause: unknown) => {
      const message = `${file} failed: ${errorMessage(cause)}. Connect as a user who may create roles and schemas.`;
      throw new SyncError("migration_failed", message, { cause });
    });
  }
}

/** The migrations in the order of their names. */
export async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(migrationsFolder)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, migrationsFolder), "utf8");
      return { name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

/**
 * Brings the database to this version; returns the names of the migrations it applied. Each file is one
 * transaction. A file that was applied in another wording is applied again: every file can run twice.
 * Throws SyncError `migration_failed` naming the file and the reason.
 */
export async function migrate(client: pg.ClientBase): Promise<string[]> {
  return withMigrationLock(client, async () => {
    const missing = await findMissing(client);
    await applyMigrations(client, missing);
    return missing.map((migration) => migration.name);
  });
}

/** Two that migrate one database at once do it one after the other. */
export async function withMigrationLock<Result>(client: pg.ClientBase, work: () => Promise<Result>): Promise<Result> {
  await client.query("select pg_advisory_lock($1)", [advisoryLock]);
  try {
    return await work();
  } finally {
    // A connection that was lost has given the lock back, and its error is the one to tell.
    await client.query("select pg_advisory_unlock($1)", [advisoryLock]).catch(() => undefined);
  }
}

/** The migrations that this database does not have in this wording. Reads only. */
export async function findMissing(client: pg.ClientBase): Promise<Migration[]> {
  const applied = await readApplied(client);
  return (await readMigrations()).filter((migration) => applied.get(migration.name) !== migration.checksum);
}

/** Applies these in their order and notes each in our list, which is made if there is none. */
export async function applyMigrations(client: pg.ClientBase, migrations: readonly Migration[]): Promise<void> {
  if (migrations.length > 0) await makeList(client);
  for (const migration of migrations) await apply(client, migration);
}

async function makeList(client: pg.ClientBase): Promise<void> {
  await client.query(await readFile(new URL("migrations-table.sql", preludeFolder), "utf8"));
}

async function readApplied(client: pg.ClientBase): Promise<Map<string, string>> {
  const { rows: lists } = await client.query("select to_regclass('clerk_sync_migrations.applied') as list");
  if (lists[0]?.list === null) return new Map();
  const { rows } = await client.query("select name, checksum from clerk_sync_migrations.applied");
  return new Map(rows.map((row: { name: string; checksum: string }) => [row.name, row.checksum]));
}

async function apply(client: pg.ClientBase, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query("begin");
    await client.query(sql);
    await client.query(
      `insert into clerk_sync_migrations.applied (name, checksum) values ($1, $2)
       on conflict (name) do update set checksum = excluded.checksum, applied_at = now()`,
      [name, checksum],
    );
    await client.query("commit");
  } catch (cause) {
    await client.query("rollback");
    const hint = (cause as { hint?: string }).hint;
    throw new SyncError(
      "migration_failed",
      `Migration ${name} failed: ${errorMessage(cause)}${hint ? `\n${hint}` : ""}`,
      {
        cause,
      },
    );
  }
}
