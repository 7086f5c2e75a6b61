import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readConfig } from "#core/config/config.ts";
import { usersTable } from "../../../local/open-local-database.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { createPool } from "../../../server/database.ts";
import { readMigrations } from "../../../server/migrate.ts";
import { migrateDatabase } from "../../../server/migrate-database.ts";
import { startServer } from "../../../server/start-server.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { testSecret } from "../../support/clerk/sign.ts";
import { hasPgBouncer, startPgBouncer } from "../../support/database/pgbouncer.ts";
import {
  createEmptyDatabase,
  createTestDatabase,
  openPool,
  type TestDatabase,
} from "../../support/database/test-database.ts";
import { spawnCli } from "../../support/processes/cli-process.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

const isHere = await hasPgBouncer();

let database: TestDatabase;
let undo: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
  await database.drop();
});

async function pooled(poolMode: string, settings: Record<string, string | number> = {}): Promise<string> {
  const bouncer = await startPgBouncer(database.url, { pool_mode: poolMode, ...settings });
  undo.push(bouncer.stop);
  return bouncer.url;
}

async function serve(databaseUrl: string) {
  const port = await findFreePort();
  const config = readConfig({
    DATABASE_URL: databaseUrl,
    CLERK_WEBHOOK_SECRET: testSecret,
    AUTH_MIRROR: "off",
    PORT: String(port),
  });
  const server = await startServer({ config });
  undo.push(server.stop);
  return { url: server.url, webhookSecret: testSecret };
}

function openCalls(databaseUrl: string) {
  const pool = createPool(databaseUrl);
  undo.push(() => pool.end());
  return createCallFunction(pool);
}

const makeFunctions = `
  create function public.clerk_sync_test_sleep(p_seconds float8) returns text
  language sql
  as $$ select pg_sleep(p_seconds)::text $$;
  create table public.parents (id int primary key);
  create table public.children (parent int references public.parents deferrable initially deferred);
  create function public.clerk_sync_test_orphan() returns int
  language sql
  as $$ insert into public.children values (1) returning parent $$;`;

describe.skipIf(!isHere).each(["transaction", "session"])("through PgBouncer in pool mode %s", (poolMode) => {
  it("a server starts, takes events, and the worker writes them", async () => {
    // More senders than connections to PostgreSQL: the server's statements share them in turn.
    const target = await serve(await pooled(poolMode, poolMode === "transaction" ? { default_pool_size: 2 } : {}));
    const events = Array.from({ length: 30 }, (_, place) =>
      userEvent("user.created", { id: `user_${place}`, version: 1 }),
    );
    const answers = await Promise.all(events.map((event) => postEvent(target, event)));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]));
    await waitFor("the rows", async () => {
      const { rows } = await database.pool.query("select count(*)::int as n from users");
      return rows[0].n === events.length;
    });
    expect((await fetch(`${target.url}/health`)).status).toBe(200);
  });

  it("PostgreSQL cancels a call that takes longer than its limit, and the limit does not outlive the call", async () => {
    await database.pool.query(makeFunctions);
    const call = openCalls(await pooled(poolMode, { default_pool_size: 1 }));
    const slow = call("clerk_sync_test_sleep", { p_seconds: 60 }, { limitMilliseconds: 200 });
    await expect(slow).rejects.toMatchObject({ code: "database_unavailable", cause: { code: "57014" } });
    expect(await call("clerk_sync_test_sleep", { p_seconds: 0.5 })).toBe("");
    const { rows } = await database.pool.query(
      "select count(*)::int as n from pg_stat_activity where query like '%test_sleep%' and state = 'active' and pid <> pg_backend_pid()",
    );
    expect(rows[0].n).toBe(0);
  });

  it("an error at the commit is an error of the call", async () => {
    await database.pool.query(makeFunctions);
    const call = openCalls(await pooled(poolMode));
    await expect(call("clerk_sync_test_orphan", {})).rejects.toMatchObject({
      code: "database_rejected",
      cause: { code: "23503", constraint: "children_parent_fkey" },
    });
    expect((await database.pool.query("select 1 from children")).rowCount).toBe(0);
  });
});

it.skipIf(!isHere)(
  "PostgreSQL keeps the statement of a call for the next one, unless a pooler is between",
  async () => {
    const keptOver = async (url: string) => {
      const pool = openPool(url, { max: 1 });
      undo.push(() => pool.end());
      const call = createCallFunction(pool);
      for (let place = 0; place < 3; place++) await call("clerk_sync_schema_version", {});
      const { rows } = await pool.query("select statement from pg_prepared_statements");
      return rows.map(({ statement }) => statement);
    };
    expect(await keptOver(database.url)).toEqual([expect.stringContaining("clerk_sync_schema_version")]);
    expect(await keptOver(await pooled("session"))).toEqual([]);
  },
);

it.skipIf(!isHere)("a pooler that refuses transactions is told at the start, with its reason", async () => {
  await expect(serve(await pooled("statement"))).rejects.toMatchObject({
    code: "database_unavailable",
    message: expect.stringContaining("statement pooling mode"),
  });
});

const namesOf = async () => (await readMigrations()).map(({ name }) => name);

describe.skipIf(!isHere).each(["transaction", "session"])(
  "migrations through PgBouncer in pool mode %s",
  (poolMode) => {
    let empty: TestDatabase;
    let url: string;
    beforeEach(async () => {
      empty = await createEmptyDatabase();
      const bouncer = await startPgBouncer(empty.url, { pool_mode: poolMode });
      url = bouncer.url;
      undo.push(empty.drop, bouncer.stop);
    });

    it("one that has ended leaves no lock behind", async () => {
      await migrateDatabase(url, { usersTable });
      const { rows } = await empty.pool.query(`select l.*
         from pg_locks as l
         join pg_database as d on d.oid = l.database
         where l.locktype = 'advisory'
           and d.datname = current_database()`);
      expect(rows).toEqual([]);
    });

    it("of two at the same time one applies all, the other nothing; a third one, directly, has not to wait", async () => {
      const both = await Promise.all([migrateDatabase(url, { usersTable }), migrateDatabase(url, { usersTable })]);
      expect(both.map(({ applied }) => applied.length).sort()).toEqual([0, (await namesOf()).length]);
      const onWait = vi.fn();
      expect(await migrateDatabase(empty.url, { usersTable, waitMilliseconds: 1000, onWait })).toMatchObject({
        applied: [],
      });
      expect(onWait).not.toHaveBeenCalled();
    });

    it("one that is killed on its way leaves no lock and nothing half done", async () => {
      await migrateDatabase(url, { usersTable });
      const [name] = await namesOf();
      await empty.pool.query("update clerk_sync_migrations.applied set checksum = 'another' where name = $1", [name]);
      const blocker = await empty.pool.connect();
      undo.push(async () => blocker.release(true));
      await blocker.query("begin; lock table public.job_queue in access exclusive mode");
      const killed = spawnCli(["migrate", "--database-url", url], {});
      await waitFor("the migration to wait for the table", async () => {
        const { rows } = await empty.pool.query("select 1 from pg_locks where not granted and relation is not null");
        return rows.length > 0;
      });
      killed.process.kill("SIGKILL");
      await killed.ended;
      await blocker.query("commit");
      expect(await migrateDatabase(url, { usersTable, waitMilliseconds: 10_000 })).toMatchObject({ applied: [name] });
    });
  },
);

it("a migration waits no longer than it says, and names who holds the lock", async () => {
  const onWait = vi.fn();
  const holder = await database.pool.connect();
  await holder.query("set application_name = 'an older migrate'");
  await holder.query("select pg_advisory_lock(7461203001)"); // as earlier versions took it
  const { rows } = await holder.query("select pg_backend_pid() as pid");
  const waiting = migrateDatabase(database.url, { waitMilliseconds: 100, onWait });
  await expect(waiting).rejects.toMatchObject({
    code: "migration_locked",
    message: expect.stringMatching(
      new RegExp(
        `within 0.1 s: process ${rows[0].pid} of PostgreSQL \\(an older migrate, since 2.*pg_terminate_backend`,
      ),
    ),
  });
  expect(onWait).toHaveBeenCalledOnce();
  await holder.query("select pg_advisory_unlock(7461203001)");
  holder.release();
});

it.skipIf(!isHere)("a migration through a pooler in mode statement is refused with the reason", async () => {
  const empty = await createEmptyDatabase();
  const bouncer = await startPgBouncer(empty.url, { pool_mode: "statement" });
  undo.push(empty.drop, bouncer.stop);
  await expect(migrateDatabase(bouncer.url)).rejects.toMatchObject({
    code: "migration_failed",
    message: expect.stringContaining("statement pooling mode"),
  });
});
