import { readFile } from "node:fs/promises";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { createKindQueue, type KindQueue } from "../../support/database/kind-queue.ts";

const page = await readFile(new URL("../../../docs/organizations.md", import.meta.url), "utf8");

/** The statements of the page below a heading. */
function sqlBelow(heading: string): string {
  const start = page.search(new RegExp(`^#+ ${heading.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`, "m"));
  if (start < 0) throw new RangeError(`the page has no heading ${heading}`);
  const rest = page.slice(page.indexOf("\n", start));
  const end = rest.search(/^#+ /m);
  return blocksOf(end < 0 ? rest : rest.slice(0, end)).join("\n");
}

const blocksOf = (text: string) => [...text.matchAll(/^```sql\n([\s\S]*?)^```/gm)].map(([, sql = ""]) => sql);

let queue: KindQueue;
let client: pg.PoolClient;
beforeAll(async () => {
  queue = await createKindQueue();
  client = await queue.pool.connect();
  await client.query(`
    create publication supabase_realtime;
    insert into public.organizations (id, name) values ('org_1', 'One'), ('org_2', 'Two'), ('org_3', 'Three');
    insert into public.organization_memberships (id, organization_id, user_id, role) values
      ('orgmem_1', 'org_1', 'user_ada', 'org:admin'),
      ('orgmem_2', 'org_2', 'user_ada', 'org:member'),
      ('orgmem_3', 'org_3', 'user_eve', 'org:admin');
    insert into public.organization_roles (key, id, permissions) values
      ('org:admin', 'role_1', '{org:notes:manage,org:notes:read}'), ('org:member', 'role_2', '{org:notes:read}');
    ${sqlBelow("Four usual policies")}
    insert into public.notes (organization_id, author, body)
    select 'org_' || n, 'user_eve', 'of ' || n from generate_series(1, 3) as n`);
});
afterAll(async () => {
  client?.release();
  await queue?.drop();
});
beforeEach(() => client.query("begin"));
afterEach(() => client.query("rollback"));

const ada = { sub: "user_ada", v: 2, o: { id: "org_1", rol: "admin" } };

/** The first column of what a statement returns to a signed-in user; where it is refused, the code. */
async function as(claims: object, sql: string): Promise<unknown> {
  await client.query("savepoint asked");
  try {
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims)]);
    await client.query("set local role authenticated");
    return (await client.query({ text: sql, rowMode: "array" })).rows.map(([value]) => value);
  } catch (error) {
    return (error as pg.DatabaseError).code;
  } finally {
    await client.query("rollback to savepoint asked");
  }
}

const read = "select organization_id from public.notes order by 1";

it("each statement of the page runs", async () => {
  const blocks = blocksOf(page);
  expect(blocks.length).toBeGreaterThan(14);
  await client.query("drop table public.notes");
  for (const sql of blocks.filter((block) => !block.startsWith("begin;"))) await client.query(sql);
  await client.query("rollback");
  for (const sql of blocks.filter((block) => block.startsWith("begin;"))) {
    const results = (await client.query(sql)) as unknown as pg.QueryResult[];
    expect(results.flatMap(({ rows }) => rows)).toContainEqual({
      user_id: "user_2abc",
      org_id: "org_2abc",
      org_role: "org:admin",
    });
  }
});

it("the active organization is the only one that is seen and written", async () => {
  await client.query(sqlBelow("The active organization"));
  expect(await as(ada, read)).toEqual(["org_1"]);
  expect(await as({ sub: "user_ada" }, read)).toEqual([]);
  expect(await as({ sub: "user_ada", org_id: "org_2" }, read)).toEqual(["org_2"]);
  expect(await as(ada, "insert into public.notes (body) values ('x') returning author || organization_id")).toEqual([
    "user_adaorg_1",
  ]);
  expect(await as(ada, "insert into public.notes (organization_id, body) values ('org_2', 'x')")).toBe("42501");
});

it("all organizations of the user are seen, whatever the token says", async () => {
  await client.query(sqlBelow("All my organizations").split(/(?=create policy)/)[0] ?? "");
  expect(await as({ sub: "user_ada" }, read)).toEqual(["org_1", "org_2"]);
  expect(await as({ sub: "user_eve", v: 2, o: { id: "org_1" } }, read)).toEqual(["org_3"]);
});

it("written for the index, the same are seen, and the index is used", async () => {
  await client.query(sqlBelow("All my organizations").split(/(?=create policy)/)[1] ?? "");
  expect(await as({ sub: "user_ada" }, read)).toEqual(["org_1", "org_2"]);
  await client.query(
    "insert into public.notes (organization_id, author, body) select 'org_x' || n, 'x', 'x' from generate_series(1, 20000) as n; analyze public.notes",
  );
  expect(JSON.stringify(await as({ sub: "user_ada" }, `explain ${read}`))).toContain("notes_organization_id_idx");
});

it("an admin deletes in the organizations where the user is one", async () => {
  await client.query(sqlBelow("All my organizations").split(/(?=create policy)/)[0] ?? "");
  await client.query(sqlBelow("By role"));
  expect(await as(ada, "delete from public.notes returning organization_id")).toEqual(["org_1"]);
  await client.query("update public.organization_memberships set role = 'org:member' where id = 'orgmem_1'");
  expect(await as(ada, "delete from public.notes returning organization_id")).toEqual([]);
});

it("who has the permission changes rows; the token says who adds them", async () => {
  await client.query(sqlBelow("All my organizations").split(/(?=create policy)/)[0] ?? "");
  await client.query(sqlBelow("By permission"));
  expect(await as(ada, "update public.notes set body = 'x' returning organization_id")).toEqual(["org_1"]);
  const insert = "insert into public.notes (body) values ('x') returning organization_id";
  expect(await as(ada, insert)).toBe("42501");
  const may = { ...ada, fea: "o:notes", o: { ...ada.o, per: "create", fpm: "1" } };
  expect(await as(may, insert)).toEqual(["org_1"]);
  await client.query("update public.organization_roles set permissions = '{}'");
  expect(await as(ada, "update public.notes set body = 'x' returning organization_id")).toEqual([]);
});

it("a pending session sees nothing", async () => {
  await client.query(sqlBelow("The active organization"));
  await client.query(sqlBelow("Sessions that are pending"));
  expect(await as({ ...ada, sts: "active" }, read)).toEqual(["org_1"]);
  expect(await as({ ...ada, sts: "pending" }, read)).toEqual([]);
});

it("the mistake is null in both versions", async () => {
  for (const claims of [ada, { sub: "user_ada", org_id: "org_1" }]) {
    expect(await as(claims, sqlBelow("The mistake `->> 'o.id'`"))).toEqual([null]);
  }
});

it("a board is of the active organization, or else of the user", async () => {
  await client.query(sqlBelow("Users without an organization"));
  await client.query(
    "insert into public.boards (owner_id, title) values ('org_1', 'a'), ('user_ada', 'b'), ('user_eve', 'c')",
  );
  const boards = "select title from public.boards";
  expect(await as(ada, boards)).toEqual(["a"]);
  expect(await as({ sub: "user_ada" }, boards)).toEqual(["b"]);
  expect(await as({ sub: "user_eve" }, "insert into public.boards (title) values ('d') returning owner_id")).toEqual([
    "user_eve",
  ]);
});

it("a foreign key takes notes along, and refuses those of an organization that is not there yet", async () => {
  await client.query(sqlBelow("Foreign keys"));
  await client.query("delete from public.organizations where id = 'org_1'; set constraints all immediate");
  expect((await client.query("select organization_id from public.notes order by 1")).rows).toHaveLength(2);
  await client.query("set constraints all deferred");
  await client.query("insert into public.notes (organization_id, author, body) values ('org_new', 'user_ada', 'x')");
  await expect(client.query("set constraints all immediate")).rejects.toMatchObject({ code: "23503" });
});

it("an audit notes who acts in whose name, and nobody can say otherwise", async () => {
  await client.query(sqlBelow("Impersonation, and an audit of your own"));
  await client.query(sqlBelow("The active organization"));
  const staff = { ...ada, act: { sub: "user_staff" } };
  await client.query(
    "grant select on public.audit to authenticated; create policy all_of_it on public.audit for select to authenticated using (true)",
  );
  const add =
    "insert into public.audit (what) values ('x') returning concat_ws(' ', user_id, actor_id, organization_id)";
  expect(await as(staff, add)).toEqual(["user_ada user_staff org_1"]);
  expect(await as(ada, add)).toEqual(["user_ada org_1"]);
  expect(await as(ada, "insert into public.audit (what, actor_id) values ('x', null)")).toBe("42501");
  expect(await as(staff, "delete from public.notes returning 1")).toEqual([]);
  expect(await as(ada, "delete from public.notes returning 1")).toEqual([1]);
});
