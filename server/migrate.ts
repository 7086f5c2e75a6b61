import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type pg from "pg";
import { errorMessage, SyncError } from "#core/errors.ts";
import { logger } from "#core/logger.ts";
import { composeMigration } from "../mapping/generate-schema.ts";
import type { Mapping } from "../mapping/mapping.ts";
import { sqlState } from "./call-function.ts";

const migrationsFolder = new URL("../supabase/migrations/", import.meta.url);
const postgresFolder = new URL("./postgres/", import.meta.url);

/** Any number, the same for every runner: it is the lock below. */
const advisoryLock = 7_461_203_001;
const lockNotAvailable = "55P03";

export type Migration = { name: string; sql: string; checksum: string };

/** Applies what Supabase has and plain PostgreSQL lacks, and `authSchema`, the tables of a stand-in of Supabase Auth. */
export async function applyPrelude(client: pg.ClientBase, authSchema: URL | null): Promise<void> {
  const prelude = new URL("prelude.sql", postgresFolder);
  for (const file of authSchema === null ? [prelude] : [prelude, authSchema]) {
    const sql = await readFile(file, "utf8");
    await client.query(sql).catch((cause: unknown) => {
      const message = `${path.basename(file.pathname)} failed: ${errorMessage(cause)}. Connect as a user who may create roles and schemas.`;
      throw new SyncError("migration_failed", message, { cause });
    });
  }
}

/** The migrations in the order of their names, for a mapping; null: for that of this repository. */
export async function readMigrations(mapping: Mapping | null = null): Promise<Migration[]> {
  const names = (await readdir(migrationsFolder)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, migrationsFolder), "utf8");
      const sql = mapping === null ? text : composeMigration(text, mapping);
      return { name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

/**
 * Brings the database to this version; returns the names of the migrations it applied. All of them are one
 * transaction. A file that was applied in another wording is applied again: every file can run twice.
 * Throws SyncError `migration_failed` naming the file and the reason, or `migration_locked`.
 */
export async function migrate(client: pg.ClientBase): Promise<string[]> {
  return inMigration(client, async () => {
    const missing = await findMissing(client);
    await applyMigrations(client, missing);
    return missing.map((migration) => migration.name);
  });
}

export type LockOptions = {
  /** How long another migration of the database is waited for; two minutes when it is not given. */
  waitMilliseconds?: number | undefined;
  /** Is called once when it has to wait, with who holds the lock; without it the wait is logged. */
  onWait?: ((holder: string) => void) | undefined;
};

/**
 * Runs the work in one transaction that holds the lock of migrations: two that migrate one database do it one after the
 * other. The lock belongs to the transaction and ends with it, also behind a pooler, which may give each transaction
 * another session. Throws SyncError `migration_locked` when another holds it for longer than the wait, and
 * `migration_failed`.
 */
export async function inMigration<Result>(
  client: pg.ClientBase,
  work: () => Promise<Result>,
  options: LockOptions = {},
): Promise<Result> {
  try {
    await client.query("begin");
    await takeLock(client, options);
    const result = await work();
    await client.query("commit");
    return result;
  } catch (error) {
    // A connection that was lost has rolled back, and its error is the one to tell.
    await client.query("rollback").catch(() => undefined);
    if (error instanceof SyncError) throw error;
    const message = `The database was not migrated, nothing was changed: ${errorMessage(error)}. The migration is one transaction: behind a pooler take transaction or session mode.`;
    throw new SyncError("migration_failed", message, { cause: error });
  }
}

const logWait = (holder: string) => logger.warn("migration.waits", { holder });

async function takeLock(client: pg.ClientBase, { waitMilliseconds = 120_000, onWait = logWait }: LockOptions) {
  const { rows } = await client.query("select pg_try_advisory_xact_lock($1) as taken", [advisoryLock]);
  if (rows[0]?.taken === true) return;
  const holder = await describeHolder(client);
  onWait(holder);
  try {
    await client.query(`set local lock_timeout = ${waitMilliseconds}`);
    await client.query("select pg_advisory_xact_lock($1)", [advisoryLock]);
    await client.query("set local lock_timeout = 0"); // the migrations wait as long as it takes
  } catch (cause) {
    if (sqlState(cause) !== lockNotAvailable) throw cause;
    const message = `Another migration of this database did not end within ${waitMilliseconds / 1000} s: ${holder}. Wait for it and try again. If nothing migrates there any more, end its connection: select pg_terminate_backend(<process>).`;
    throw new SyncError("migration_locked", message, { retryable: true, cause });
  }
}

/** The connection that holds the lock, as far as our user may see it. */
async function describeHolder(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ pid: number; name: string | null; since: Date | null }>(
    `select l.pid, nullif(a.application_name, '') as name, coalesce(a.xact_start, a.backend_start) as since
     from pg_catalog.pg_locks as l
     left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
     where l.locktype = 'advisory'
       and l.granted
       and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
       and (l.classid::bigint << 32) + l.objid::bigint = $1`,
    [advisoryLock],
  );
  const [holder] = rows;
  if (holder === undefined) return "it has just ended";
  const since = holder.since === null ? "" : `, since ${holder.since.toISOString()}`;
  return `process ${holder.pid} of PostgreSQL (${holder.name ?? "application unknown"}${since})`;
}

/** The migrations for a mapping that this database does not have in this wording. Reads only. */
export async function findMissing(client: pg.ClientBase, mapping: Mapping | null = null): Promise<Migration[]> {
  const applied = await readApplied(client);
  return (await readMigrations(mapping)).filter((migration) => applied.get(migration.name) !== migration.checksum);
}

/**
 * Whether a commit before the first release made what is in this database, which none of our migrations can change:
 * its version is older than the first of them, it has tables without a version, or our list names a file that is gone.
 */
export async function isOfEarlierCommit(
  client: pg.ClientBase,
  version: string | null,
  hasTables: boolean,
): Promise<boolean> {
  const names = (await readMigrations()).map((migration) => migration.name);
  if (version === null ? hasTables : version < (names[0] ?? "").slice(0, 14)) return true;
  return [...(await readApplied(client)).keys()].some((name) => !names.includes(name));
}

/** Applies these in their order and notes each in our list, which is made if there is none, unless another keeps one. */
export async function applyMigrations(
  client: pg.ClientBase,
  migrations: readonly Migration[],
  keepsList = true,
): Promise<void> {
  if (migrations.length > 0 && keepsList) await makeList(client);
  for (const migration of migrations) await apply(client, migration, keepsList);
}

async function makeList(client: pg.ClientBase): Promise<void> {
  await client.query(await readFile(new URL("migrations-table.sql", postgresFolder), "utf8"));
}

async function readApplied(client: pg.ClientBase): Promise<Map<string, string>> {
  const { rows: lists } = await client.query("select to_regclass('clerk_sync_migrations.applied') as list");
  if (lists[0]?.list === null) return new Map();
  const { rows } = await client.query("select name, checksum from clerk_sync_migrations.applied");
  return new Map(rows.map((row: { name: string; checksum: string }) => [row.name, row.checksum]));
}

async function apply(client: pg.ClientBase, { name, sql, checksum }: Migration, keepsList: boolean): Promise<void> {
  try {
    await client.query(sql);
    if (!keepsList) return;
    await client.query(
      `insert into clerk_sync_migrations.applied (name, checksum) values ($1, $2)
       on conflict (name) do update set checksum = excluded.checksum, applied_at = now()`,
      [name, checksum],
    );
  } catch (cause) {
    const hint = (cause as { hint?: string }).hint;
    const message = `Migration ${name} failed: ${errorMessage(cause)}${hint ? `\n${hint}` : ""}`;
    throw new SyncError("migration_failed", message, { cause });
  }
}
