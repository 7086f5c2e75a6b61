import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type StoredUserPage, storedUserPageSchema } from "#core/admin/contract/users.ts";
import { clearQueue } from "../../support/admin/admin-calls.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { openPool } from "../../support/database/test-database.ts";
import { teamFiles, type UsersFile } from "../../support/mapping/configure-users.ts";
import { createMappedQueue } from "../../support/mapping/mapped-queue.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";

// A search for a text finds users by each mapped column of texts that has an index, and reads no other.

type Search = NonNullable<StoredUserPage["search"]>;
type Asking = Pick<Queue, "pool">;

async function find({ pool }: Asking, q: string): Promise<{ ids: string[] } & Search> {
  const { rows } = await pool.query("select public.clerk_sync_admin_users($1) as page", [q]);
  const { users, search } = storedUserPageSchema.strict().parse(rows[0]?.page);
  if (search === null) throw new Error("a search says what was searched");
  return { ids: users.map((user) => user.clerk_id), ...search };
}

describe("the table of the contract", () => {
  let queue: Queue;
  beforeAll(async () => {
    queue = await createQueue();
  });
  afterEach(async () => {
    await queue.pool.query("drop index if exists name_idx");
    await clearQueue(queue);
  });
  afterAll(() => queue?.drop());

  const addUsers = (...names: readonly string[]) =>
    queue.pool.query(
      `insert into users (clerk_id, email, name)
       select 'user_' || n, n || '@example.com', name from unnest($1::text[]) with ordinality as u(name, n)`,
      [names],
    );
  const noIndex = { name: "name", remedy: "create index on public.users (lower(name));" };

  it("a column without an index is not searched, and the answer has the statement that makes one", async () => {
    await addUsers("Ada Lovelace", "Grace Hopper");
    const { remedy } = noIndex;
    expect(await find(queue, "Ada Lovelace")).toEqual({
      ids: [],
      searched: ["email"],
      not_searched: [noIndex],
      is_cut: false,
    });
    await queue.pool.query(remedy);
    expect(await find(queue, "ada LOVELACE")).toEqual({
      ids: ["user_1"],
      searched: ["email", "name"],
      not_searched: [],
      is_cut: false,
    });
    await queue.pool.query("drop index users_lower_idx");
  });

  it.each(["(name)", "using hash (name)", "(name text_pattern_ops)", "(name, clerk_id)", "(lower(name), clerk_id)"])(
    "an index %s is one",
    async (index) => {
      await addUsers("Ada Lovelace", "ada lovelace", "Grace Hopper");
      await queue.pool.query(`create index name_idx on users ${index}`);
      const { ids, searched } = await find(queue, "Ada Lovelace");
      expect({ ids, searched }).toEqual({
        ids: index.includes("lower") ? ["user_1", "user_2"] : ["user_1"],
        searched: ["email", "name"],
      });
    },
  );

  it.each([
    "(name) where name is not null",
    "(clerk_id, name)",
    "(upper(name))",
    "(lower(name)) where clerk_id <> ''",
    '(name collate "POSIX")',
    "using brin (name)",
  ])("an index %s is none", async (index) => {
    await addUsers("Ada Lovelace");
    await queue.pool.query(`create index name_idx on users ${index}`);
    expect(await find(queue, "Ada Lovelace")).toMatchObject({ ids: [], not_searched: [noIndex] });
  });

  it("an index that is not valid is none", async () => {
    await addUsers("Ada", "Ada");
    await expect(queue.pool.query("create unique index concurrently name_idx on users (name)")).rejects.toThrow();
    expect(await find(queue, "Ada")).toMatchObject({ ids: [], not_searched: [noIndex] });
  });

  it("whom the text names by id or address come first, and each user stands once", async () => {
    await addUsers("user_3", "2@example.com", "Ada");
    await queue.pool.query("create index name_idx on users (name)");
    expect((await find(queue, "user_3")).ids).toEqual(["user_3", "user_1"]);
    expect((await find(queue, "2@example.com")).ids).toEqual(["user_2"]);
    expect((await find(queue, "1@EXAMPLE.com")).ids).toEqual(["user_1"]);
  });

  it("rows without a Clerk id are left out, and of many rows it says that there are more", async () => {
    await queue.pool.query("create index name_idx on users (lower(name))");
    await addUsers(...Array.from({ length: 50 }, () => "Ada"));
    expect(await find(queue, "ada")).toMatchObject({ ids: expect.objectContaining({ length: 50 }), is_cut: false });
    await queue.pool.query("update users set clerk_id = null where clerk_id = 'user_7'");
    expect((await find(queue, "ada")).ids).not.toContain(null);
    await queue.pool.query("insert into users (clerk_id, name) values ('user_51', 'ADA'), ('user_52', 'ada')");
    const many = await find(queue, "Ada");
    expect(many.is_cut).toBe(true);
    expect(many.ids.length).toBeLessThanOrEqual(50);
  });

  it("a text that is quoted in SQL is a text", async () => {
    await addUsers("O'Hara", "%");
    await queue.pool.query("create index name_idx on users (lower(name))");
    expect((await find(queue, "O'Hara")).ids).toEqual(["user_1"]);
    expect((await find(queue, "%")).ids).toEqual(["user_2"]);
    expect((await find(queue, "_")).ids).toEqual([]);
  });

  it("while a mapped column has another name, users are found by id, and the answer leads to doctor", async () => {
    await addUsers("Ada");
    await queue.pool.query("alter table users rename name to full_name");
    const { ids, not_searched } = await find(queue, "user_1");
    await queue.pool.query("alter table users rename full_name to name");
    const remedy = "-- The table has changed. Run: clerk-sync doctor";
    expect({ ids, not_searched }).toEqual({
      ids: ["user_1"],
      not_searched: ["email", "name"].map((name) => ({ name, remedy })),
    });
  });

  it("a list that is not searched says nothing of a search", async () => {
    const page = await queue.one("select public.clerk_sync_admin_users() as page");
    expect(page?.["page"]).toMatchObject({ search: null });
  });
});

const odd = {
  table: { schema: "odd schema", name: 'The "Users"' },
  key: "Clerk's Id",
  columns: { "na\"me's": "name", order: "username" },
} as const satisfies UsersFile;

describe("the tables of teams", () => {
  const search = async (
    ddl: string,
    file: UsersFile,
    { rows, q, more = "" }: { rows: string; q: string; more?: string },
  ) => {
    const queue = await createMappedQueue(ddl, file, "create schema if not exists extensions");
    try {
      await queue.pool.query(`${more}; ${rows}`);
      return await find(queue, q);
    } finally {
      await queue.drop();
    }
  };

  it("profiles", async () => {
    expect(
      await search(teamTables.profiles, teamFiles.profiles, {
        rows: "insert into profiles (id, username, full_name) values ('user_1', 'grace', 'Ada Old')",
        more: "create index on profiles (lower(full_name))",
        q: "ada old",
      }),
    ).toEqual({
      ids: ["user_1", "user_old1"],
      searched: ["full_name"],
      not_searched: ["username", "avatar_url", "email"].map((name) => ({
        name,
        remedy: `create index on public.profiles (lower(${name}));`,
      })),
      is_cut: false,
    });
  });

  it("Prisma, with names in capitals", async () => {
    expect(
      await search(teamTables.prisma, teamFiles.prisma, {
        rows: `insert into "User" ("id", "clerkId", "email", "firstName", "updatedAt") values ('1', 'user_1', 'x', 'Ada', now())`,
        more: `create index on "User" ("firstName")`,
        q: "Ada",
      }),
    ).toEqual({
      ids: ["user_1"],
      searched: ["id", "email", "firstName"],
      not_searched: [
        { name: "lastName", remedy: 'create index on public."User" (lower("lastName"));' },
        { name: "imageUrl", remedy: 'create index on public."User" (lower("imageUrl"));' },
      ],
      is_cut: false,
    });
  });

  it("Drizzle, whose columns are varchar", async () => {
    const ddl = teamTables.drizzle.replace("role text", "role varchar(20)");
    const queue = await createMappedQueue(ddl, teamFiles.drizzle);
    await queue.pool.query(
      "insert into users (clerk_user_id, email, role) values ('user_1', 'a@example.com', 'owner'), ('user_2', 'b@example.com', 'Owner')",
    );
    await queue.pool.query("create index name_idx on users (role)");
    expect(await find(queue, "owner")).toMatchObject({ ids: ["user_1"], searched: ["role"] });
    await queue.pool.query("drop index name_idx; create index on users (lower(role))");
    expect(await find(queue, "owner")).toMatchObject({ ids: ["user_1", "user_2"], searched: ["role"] });
    await queue.drop();
  });

  it("a column citext, which finds in any case by an index of its own type", async () => {
    const queue = await createMappedQueue(
      "create extension citext schema extensions; create table people (clerk_id text unique, name extensions.citext)",
      { table: "people", key: "clerk_id", columns: { name: "name" } },
      "create schema extensions",
    );
    await queue.pool.query("insert into people values ('user_1', 'Ada Lovelace')");
    const without = [{ name: "name", remedy: "create index on public.people (name);" }];
    await queue.pool.query("create index name_idx on people (name text_ops)");
    expect(await find(queue, "ada lovelace")).toMatchObject({ ids: [], not_searched: without });
    for (const index of ["(name)", "(lower(name))"]) {
      await queue.pool.query(`drop index name_idx; create index name_idx on people ${index}`);
      expect(await find(queue, "ada lovelace"), index).toMatchObject({ ids: ["user_1"], not_searched: [] });
    }
    await queue.drop();
  });

  it("names that need quotes, and the statement for one makes it searched", async () => {
    const queue = await createMappedQueue(
      `create schema "odd schema";
       create table "odd schema"."The ""Users""" ("Clerk's Id" text unique, "na""me's" text, "order" text)`,
      odd,
    );
    await queue.pool.query(`insert into "odd schema"."The ""Users""" values ('user_1', 'Ada', 'ada')`);
    const { searched, not_searched } = await find(queue, "Ada");
    expect({ searched, names: not_searched.map(({ name }) => name) }).toEqual({
      searched: [],
      names: ["na\"me's", "order"],
    });
    for (const { remedy } of not_searched) await queue.pool.query(remedy);
    expect(await find(queue, "ADA")).toEqual({
      ids: ["user_1"],
      searched: ["na\"me's", "order"],
      not_searched: [],
      is_cut: false,
    });
    await queue.drop();
  });

  it("a table without a column of texts", async () => {
    expect(
      await search(
        "create table people (clerk_id text unique, is_banned boolean)",
        {
          table: "people",
          key: "clerk_id",
          columns: { is_banned: "banned" },
        },
        { rows: "insert into people values ('user_1', true)", q: "user_1" },
      ),
    ).toEqual({ ids: ["user_1"], searched: [], not_searched: [], is_cut: false });
  });
});

describe.each([
  ["never analysed", "select 1"],
  ["analysed while it was empty", "vacuum analyze"],
])("a table that was %s", (_, prepare) => {
  it("is not scanned by a search, whether its columns have an index or not", async () => {
    const ddl = `
      create table people (clerk_id text unique, name text, nick text, plan text);
      create unique index people_covering_idx on people (clerk_id, name, nick);
      create index people_lower_idx on people (lower(name));
      create index people_plan_idx on people (plan);
      alter table people set (autovacuum_enabled = off)`;
    const queue = await createMappedQueue(ddl, {
      table: "people",
      key: "clerk_id",
      columns: { name: "name", nick: "username", plan: "public_metadata.plan" },
    });
    await queue.pool.query(prepare);
    const reader = openPool(queue.url, { max: 1 });
    for (let time = 0; time < 7; time++) await find({ pool: reader }, "Ada"); // plans are kept from the sixth on
    await queue.pool.query(
      "insert into people select 'user_' || n, 'Ada ' || n, 'nick' || n, 'free' from generate_series(1, 8000) as n",
    );
    const countReads = async () => {
      await reader.query("select pg_stat_force_next_flush()");
      const { rows } = await reader.query(
        `select seq_scan::int as scans, heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit as blocks
         from pg_stat_user_tables
         join pg_statio_user_tables using (relid)
         where pg_stat_user_tables.relname = 'people'`,
      );
      return { scans: Number(rows[0]?.scans), blocks: Number(rows[0]?.blocks) };
    };
    const before = await countReads();
    expect((await find({ pool: reader }, "ADA 7999")).ids).toEqual(["user_7999"]);
    expect((await find({ pool: reader }, "nick7999")).ids).toEqual([]);
    const after = await countReads();
    expect(after.scans - before.scans).toBe(0);
    expect(after.blocks - before.blocks).toBeLessThan(40); // the table has 80, an index 40
    expect(await find({ pool: reader }, "free")).toMatchObject({ ids: { length: 50 }, is_cut: true });
    await countReads();
    const { rows } = await reader.query(
      "select idx_tup_read::int as n from pg_stat_user_indexes where indexrelname = 'people_plan_idx'",
    );
    expect(rows[0]?.n).toBeLessThan(100); // of 8,000
    await reader.end();
    await queue.drop();
  });
});
