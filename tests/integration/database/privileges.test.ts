import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateUsers } from "../../../mapping/generate-users.ts";
import type { Mapping } from "../../../mapping/mapping.ts";
import { applyPrelude, migrate } from "../../../server/migrate.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { createEmptyDatabase, makeUsersTable } from "../../support/database/test-database.ts";
import { changeMapping } from "../../support/mapping/contract-mapping.ts";
import { defaultPrivileges } from "../../support/supabase/default-privileges.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
  for (const id of ["user_ada", "user_eve"]) await queue.send(userEvent("user.created", { id, version: 1 }));
  await queue.run();
});
afterAll(() => queue?.drop());

/** Runs one statement as an API role with the claims of a signed-in Clerk user. */
async function as(role: string, sql: string, sub = "user_ada"): Promise<pg.QueryResult> {
  const client = await queue.pool.connect();
  try {
    await client.query("begin");
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify({ sub, role })]);
    await client.query(`set local role ${role}`);
    return await client.query(sql);
  } finally {
    await client.query("rollback");
    client.release();
  }
}

const denied = { code: "42501" };

it("a signed-in user reads the own row and no other", async () => {
  expect((await as("authenticated", "select clerk_id from public.users")).rows).toEqual([{ clerk_id: "user_ada" }]);
});

it("a signed-in user edits the own name and preferences, and no other's", async () => {
  expect(
    (await as("authenticated", "update public.users set name = 'A', preferences = '{}', medical_profile = '{}'"))
      .rowCount,
  ).toBe(1);
  expect((await as("authenticated", "update public.users set name = 'x' where clerk_id = 'user_eve'")).rowCount).toBe(
    0,
  );
});

it.each([
  "role = 'admin'",
  "email = 'x@example.com'",
  "clerk_id = 'user_eve'",
  "deleted_at = now()",
  "id = gen_random_uuid()",
])("a signed-in user cannot set %s", async (assignment) => {
  await expect(as("authenticated", `update public.users set ${assignment}`)).rejects.toMatchObject(denied);
});

it.each([
  "insert into public.users (clerk_id, \"updatedAt\") values ('user_x', now())",
  "delete from public.users",
  "select * from public.job_queue",
  "insert into public.job_queue (job_type) values ('USER_DELETED')",
  "select * from clerk_sync.known_users",
  "select public.clerk_sync_enqueue('[]')",
  "select public.clerk_sync_run_jobs()",
  "select public.clerk_sync_users('{user_eve}')",
])("neither anon nor a signed-in user may: %s", async (sql) => {
  await expect(as("authenticated", sql)).rejects.toMatchObject(denied);
  await expect(as("anon", sql)).rejects.toMatchObject(denied);
});

it("anon sees no users at all", async () => {
  await expect(as("anon", "select * from public.users")).rejects.toMatchObject(denied);
});

const exposed = `
  select 'function ' || p.oid::regprocedure as object
  from pg_catalog.pg_proc as p
  cross join unnest(array['anon', 'authenticated']) as r(role)
  where p.pronamespace in ('public'::regnamespace, 'clerk_sync'::regnamespace)
    and has_function_privilege(r.role, p.oid, 'execute')
  union all
  select 'table ' || c.oid::regclass || ' ' || g.privilege || ' to ' || r.role
  from pg_catalog.pg_class as c
  cross join unnest(array['anon', 'authenticated']) as r(role)
  cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as g(privilege)
  where c.relnamespace in ('public'::regnamespace, 'clerk_sync'::regnamespace)
    and c.relkind in ('r', 'v', 'm', 'f', 'p')
    and has_table_privilege(r.role, c.oid, g.privilege)
  order by 1`;

const unreachable = `
  select p.oid::regprocedure::text as object
  from pg_catalog.pg_proc as p
  where p.pronamespace in ('public'::regnamespace, 'clerk_sync'::regnamespace)
    and not has_function_privilege('service_role', p.oid, 'execute')
  union all
  select c.oid::regclass::text
  from pg_catalog.pg_class as c
  where c.relnamespace in ('public'::regnamespace, 'clerk_sync'::regnamespace)
    and c.relkind = 'r'
    and not has_table_privilege('service_role', c.oid, 'select, insert, update, delete')`;

const unpinned = `
  select p.oid::regprocedure::text as object
  from pg_catalog.pg_proc as p
  where p.pronamespace in ('public'::regnamespace, 'clerk_sync'::regnamespace)
    and not coalesce(p.proconfig @> array['search_path=""'], false)`;

describe.each(Object.entries(defaultPrivileges))("where default privileges %s", (_, sql) => {
  it("no object is open to the API roles but users for reading, all are to the service role, all pin search_path", async () => {
    const database = await createEmptyDatabase();
    const client = await database.pool.connect();
    await applyPrelude(client, null);
    await client.query(sql);
    await makeUsersTable(client);
    await migrate(client);
    expect((await client.query(exposed)).rows).toEqual([{ object: "table users select to authenticated" }]);
    expect((await client.query(unreachable)).rows).toEqual([]);
    expect((await client.query(unpinned)).rows).toEqual([]);
    client.release();
    await database.drop();
  });
});

describe("clerk_sync_privilege_findings", () => {
  /** What it finds after these statements, which are undone. */
  async function findAfter(sql: string): Promise<string[]> {
    const client = await queue.pool.connect();
    try {
      await client.query(`begin; ${sql}`);
      await client.query("set local role service_role"); // as the API calls it
      const { rows } = await client.query("select public.clerk_sync_privilege_findings() as found");
      return rows[0].found.map((finding: { object: string; what: string }) => `${finding.object}: ${finding.what}`);
    } finally {
      await client.query("rollback");
      client.release();
    }
  }

  it("finds nothing after the migrations", async () => {
    expect(await findAfter("")).toEqual([]);
  });

  const own = "clerk_id = ((select auth.jwt()) ->> 'sub')";
  const missing = (name: string) =>
    `public.users: policy ${name} is missing or not clerk_id = ((select auth.jwt()) ->> 'sub')`;

  it.each([
    ["grant select on public.job_queue to anon", ["public.job_queue: anon may select"]],
    ["grant delete on public.users to authenticated", ["public.users: authenticated may delete"]],
    ["grant update (role) on public.users to authenticated", ["public.users.role: authenticated may update"]],
    [
      "create view clerk_sync.leak as select 1 as one; grant select on clerk_sync.leak to public; grant select on clerk_sync.leak to service_role",
      ["clerk_sync.leak: anon may select", "clerk_sync.leak: authenticated may select"],
    ],
    [
      "create sequence clerk_sync.counter; grant usage on sequence clerk_sync.counter to authenticated",
      ["clerk_sync.counter: authenticated may use"],
    ],
    ["grant usage on schema clerk_sync to anon", ["schema clerk_sync: anon may use"]],
    ["revoke usage on schema clerk_sync from service_role", ["schema clerk_sync: service_role may not use"]],
    [
      // another test file's database on the same server may have made the role
      "do $$ begin create role authenticator; exception when duplicate_object then null; end $$; alter role authenticator set pgrst.db_schemas = 'public, clerk_sync'",
      ["schema clerk_sync: the API serves it (pgrst.db_schemas=public, clerk_sync)"],
    ],
    [
      "create function public.clerk_sync_new() returns integer language sql as 'select 1'; revoke execute on function public.clerk_sync_new from public, anon, authenticated",
      [
        "public.clerk_sync_new(): service_role may not call it",
        "public.clerk_sync_new(): its search_path is not pinned",
      ],
    ],
    [
      "grant execute on function public.clerk_sync_run_jobs to anon",
      [expect.stringMatching(/run_jobs.*: anon may call it/)],
    ],
    ["alter table public.users disable row level security", ["public.users: row level security is off"]],
    ["revoke insert on public.users from service_role", ["public.users: service_role may not insert"]],
    ["grant insert on clerk_sync.queue_status to service_role", []],
    [
      "revoke select on clerk_sync.queue_status from service_role",
      ["clerk_sync.queue_status: service_role may not select"],
    ],
    ["drop policy users_select_own on public.users", [missing("users_select_own")]],
    [
      `alter policy users_update_own on public.users using (${own}) with check (true)`,
      [missing("users_update_own"), "public.users: policy users_update_own lets API roles pass"],
    ],
    [
      "alter policy users_select_own on public.users using ((select auth.jwt() ->> 'sub') = clerk_id)",
      [missing("users_select_own")],
    ],
    [
      "create policy open on public.job_queue for select using (status = 'DEAD')",
      ["public.job_queue: policy open lets API roles pass"],
    ],
    ["create policy staff on public.users for select to authenticated using (role = 'admin')", []],
  ])("%s", async (sql, found) => {
    expect(await findAfter(sql)).toEqual(found);
  });

  const mapped = (access: Mapping["users"]["access"]) => generateUsers(changeMapping({ access }));

  it("leaves the rights of a table to its owner whose mapping says so", async () => {
    const owners = `
      drop policy users_select_own on public.users;
      drop policy users_update_own on public.users;
      create policy open on public.users for select using (true);
      grant select on public.users to anon;
      grant update (role) on public.users to authenticated;
      alter table public.users disable row level security;`;
    expect(await findAfter(`${mapped({ kind: "leave" })}; ${owners}`)).toEqual([]);
    expect(await findAfter(`${mapped({ kind: "leave" })}; grant select on public.job_queue to anon`)).toHaveLength(1);
    expect(await findAfter(owners)).toHaveLength(6);
  });

  it("lets users edit what the mapping says, and nothing else", async () => {
    const editable = mapped({ kind: "own_row", editable: ["preferences"] });
    expect(await findAfter(editable)).toEqual([]);
    expect(await findAfter(`${editable}; grant update (name) on public.users to authenticated`)).toEqual([
      "public.users.name: authenticated may update",
    ]);
  });
});

it("the whole path works as service_role", async () => {
  const run = "select public.clerk_sync_run_jobs(10, 60)";
  await queue.send(userEvent("user.created", { id: "user_role", version: 1 }));
  expect((await as("service_role", run)).rows[0].clerk_sync_run_jobs.mirror).toHaveLength(1);
  expect(
    (await as("service_role", "select public.clerk_sync_rescue_jobs(), public.clerk_sync_purge_jobs(30)")).rowCount,
  ).toBe(1);
});
