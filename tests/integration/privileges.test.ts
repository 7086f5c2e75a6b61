import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyPrelude, migrate } from "../../server/migrate.ts";
import { userEvent } from "../support/build-event.ts";
import { defaultPrivileges } from "../support/default-privileges.ts";
import { createQueue, type Queue } from "../support/queue.ts";
import { createEmptyDatabase } from "../support/test-database.ts";

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
  "select * from clerk_sync.user_state",
  "select public.clerk_sync_enqueue('[]')",
  "select public.clerk_sync_run_jobs()",
  "select public.clerk_sync_user_rows('{user_eve}')",
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
    await applyPrelude(client, false);
    await client.query(sql);
    await migrate(client);
    expect((await client.query(exposed)).rows).toEqual([{ object: "table users select to authenticated" }]);
    expect((await client.query(unreachable)).rows).toEqual([]);
    expect((await client.query(unpinned)).rows).toEqual([]);
    client.release();
    await database.drop();
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
