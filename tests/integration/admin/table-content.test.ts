import type pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { clearQueue } from "../../support/admin/admin-calls.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { openPool } from "../../support/database/test-database.ts";
import { teamFiles } from "../../support/mapping/configure-users.ts";
import { createMappedQueue } from "../../support/mapping/mapped-queue.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";

// What doctor is told of the rows: columns that are empty for everybody, rows without a Clerk id, values that were refused.

async function look(pool: pg.Pool, most = 10_000): Promise<Record<string, unknown>> {
  return (await pool.query("select public.clerk_sync_table_content($1) as content", [most])).rows[0]?.content;
}

describe("the table of the contract", () => {
  let queue: Queue;
  beforeAll(async () => {
    queue = await createQueue();
  });
  afterEach(() => clearQueue(queue));
  afterAll(() => queue?.drop());

  it("says nothing of a table without rows", async () => {
    expect(await look(queue.pool)).toEqual({
      table: "public.users",
      looked_at: { rows: 0, is_all: true, empty: [] },
      unlinked: { rows: 0, is_all: true, examples: [] },
      refused: { is_all: true, values: [] },
    });
  });

  it("a column is empty for everybody when no row that was looked at has a value", async () => {
    const nameless = { firstName: null, lastName: null };
    await queue.sendAll([1, 2].map((n) => userEvent("user.created", { id: `user_${n}`, version: 1, ...nameless })));
    await queue.run();
    const name = { name: "name", source: "name", is_written: true };
    expect(await look(queue.pool)).toMatchObject({ looked_at: { rows: 2, is_all: true, empty: [name] } });
    await queue.pool.query("update users set name = '' where clerk_id = 'user_1'");
    expect(await look(queue.pool)).toMatchObject({ looked_at: { empty: [name] } });
    await queue.pool.query("update users set name = 'Ada' where clerk_id = 'user_1'");
    expect(await look(queue.pool)).toMatchObject({ looked_at: { empty: [] } });
    expect(await look(queue.pool, 1)).toMatchObject({ looked_at: { rows: 1, is_all: false, empty: [name] } });
  });

  it("deleted users and rows of the app's own are not among those that are looked at", async () => {
    await queue.pool.query("insert into clerk_sync.records (id, version, deleted_at) values ('user_gone', 1, now())");
    await queue.pool.query("insert into users (clerk_id, email) values ('user_gone', 'a@example.com')");
    expect(await look(queue.pool)).toMatchObject({ looked_at: { rows: 0, is_all: true } });
  });

  it("rows without a Clerk id are counted up to a bound, with examples", async () => {
    await queue.pool.query("insert into users (email) select n || '@example.com' from generate_series(1, 5) as n");
    const { rows } = await queue.pool.query("select id::text from users");
    const ids = rows.map(({ id }) => id);
    const { unlinked } = (await look(queue.pool)) as { unlinked: { examples: string[] } };
    expect(unlinked).toMatchObject({ rows: 5, is_all: true, examples: { length: 3 } });
    for (const id of unlinked.examples) expect(ids).toContain(id);
    expect(await look(queue.pool, 4)).toMatchObject({ unlinked: { rows: 4, is_all: false } });
    expect(await look(queue.pool, 5)).toMatchObject({ unlinked: { rows: 5, is_all: true } });
  });

  it("refused values are counted by column and kind up to a bound, of mapped columns only", async () => {
    const roles: readonly unknown[] = ["owner", "boss", ["admin"], "admin"];
    await queue.sendAll(
      roles.map((role, n) => {
        const event = userEvent("user.created", { id: `user_${n}`, version: 1 });
        return { ...event, data: { ...event.data, public_metadata: { role } } };
      }),
    );
    await queue.run();
    await queue.pool.query(
      "insert into clerk_sync.user_state (clerk_id, ignored) values ('user_old', '{\"gone\": \"text\"}')",
    );
    const values = [
      { name: "role", kind: "array", users: 1, example: "user_2" },
      { name: "role", kind: "text", users: 2, example: "user_0" },
    ];
    expect(await look(queue.pool)).toMatchObject({ refused: { is_all: true, values } });
    expect(await look(queue.pool, 1)).toMatchObject({
      refused: { is_all: false, values: [{ kind: "text", users: 1, example: "user_0" }] },
    });
  });
});

describe("the tables of teams", () => {
  it("an address that is a placeholder for everybody is empty, and a column written with the row says so", async () => {
    const queue = await createMappedQueue(teamTables.prisma, teamFiles.prisma);
    const phoneOnly = { id: "user_1", version: 1, email: null };
    await queue.accept(userEvent("user.created", phoneOnly));
    const { looked_at } = (await look(queue.pool)) as { looked_at: { rows: number; empty: { name: string }[] } };
    expect(looked_at.rows).toBe(1);
    expect(looked_at.empty).toContainEqual({ name: "email", source: "email", is_written: true });
    expect(looked_at.empty.map(({ name }) => name)).not.toContain("id");
    await queue.drop();
  });

  it("a row whose key has the text that stands for none has no Clerk id", async () => {
    const queue = await createMappedQueue(
      "create table people (id serial primary key, clerk_id text unique default 'NULL', name text)",
      { table: "people", key: "clerk_id", columns: { name: "name" } },
    );
    await queue.pool.query("insert into people (id) values (7); insert into people values (8, null), (9, 'user_1')");
    expect(await look(queue.pool)).toMatchObject({ unlinked: { rows: 2, examples: ["8", "7"] } });
    await queue.drop();
  });
});

/** Rows of these tables that were read by scans, and rows and entries of their indexes. */
async function countReads(pool: pg.Pool): Promise<{ scanned: number; found: number }> {
  await pool.query("select pg_stat_force_next_flush()");
  const { rows } = await pool.query(
    `select sum(t.seq_tup_read)::int as scanned, sum(t.idx_tup_fetch + i.read)::int as found
     from pg_stat_user_tables as t
     cross join lateral (select sum(o.idx_tup_read) as read from pg_stat_user_indexes as o where o.relid = t.relid) as i
     where t.relname in ('users', 'records', 'user_state')`,
  );
  return { scanned: Number(rows[0]?.scanned), found: Number(rows[0]?.found) };
}

describe.each([
  ["never analysed", "select 1"],
  ["analysed while they were empty", "vacuum analyze"],
])("tables that were %s", (_, prepare) => {
  it("are looked at through indexes, as far as the bound", async () => {
    const queue = await createQueue();
    const tables = ["public.users", "clerk_sync.records", "clerk_sync.user_state"];
    for (const table of tables) await queue.pool.query(`alter table ${table} set (autovacuum_enabled = off)`);
    await queue.pool.query(prepare);
    const reader = openPool(queue.url, { max: 1 });
    for (let time = 0; time < 7; time++) await look(reader, 100); // plans are kept from the sixth on
    const client = await queue.pool.connect();
    await client.query("set session_replication_role = replica");
    for (const sql of [
      "insert into public.users (clerk_id, name) select case when n % 2 = 0 then 'user_' || n end, 'Ada' from generate_series(1, 20000) as n",
      "insert into clerk_sync.records (id, version) select 'user_' || n, 1 from generate_series(2, 20000, 2) as n",
      `insert into clerk_sync.user_state (clerk_id, ignored)
       select 'user_' || n, case when n > 19000 then '{"role": "text"}'::jsonb end from generate_series(2, 20000, 2) as n`,
    ]) {
      await client.query(sql);
    }
    client.release(true);
    const newcomer = openPool(queue.url, { max: 1 }); // its plans are made for the table as it is now
    for (const connection of [reader, newcomer]) {
      const before = await countReads(connection);
      expect(await look(connection, 100)).toMatchObject({
        looked_at: { rows: 100, is_all: false },
        unlinked: { rows: 100, is_all: false },
        refused: { is_all: false, values: [{ users: 100 }] },
      });
      const after = await countReads(connection);
      expect(after.scanned - before.scanned).toBe(0);
      expect(after.found - before.found).toBeLessThan(1500);
    }
    await newcomer.end();
    await reader.end();
    await queue.drop();
  });
});
