import { readFile } from "node:fs/promises";
import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

const page = await readFile(new URL("../../../docs/row-level-security.md", import.meta.url), "utf8");
const [notes = "", admin = "", organization = ""] = [...page.matchAll(/```sql\n([\s\S]*?)```/g)].map(
  (match) => match[1] ?? "",
);

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
  await queue.send(userEvent("user.created", { id: "user_ada", version: 1 }));
  await queue.send(userEvent("user.created", { id: "user_eve", version: 1 }));
  await queue.send(userEvent("user.created", { id: "user_root", version: 1, role: "admin" }));
  await queue.run();
  await queue.pool.query(notes);
  await queue.pool.query(admin);
});
afterAll(() => queue?.drop());

/** Runs one statement as a signed-in user; what it writes stays. */
async function as(claims: Record<string, unknown>, sql: string): Promise<pg.QueryResult> {
  const client = await queue.pool.connect();
  try {
    await client.query("begin");
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims)]);
    await client.query("set local role authenticated");
    const result = await client.query(sql);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}
const bodies = async (sub: string) =>
  (await as({ sub }, "select body from notes order by body")).rows.map((row) => row.body);

it("a note belongs to who wrote it, without naming the owner", async () => {
  await as({ sub: "user_ada" }, "insert into notes (body) values ('of Ada')");
  await as({ sub: "user_eve" }, "insert into notes (body) values ('of Eve')");
  expect([await bodies("user_ada"), await bodies("user_eve")]).toEqual([["of Ada"], ["of Eve"]]);
});

it("nobody writes a note in another's name or changes another's", async () => {
  const forged = as({ sub: "user_eve" }, "insert into notes (clerk_id, body) values ('user_ada', 'x')");
  await expect(forged).rejects.toMatchObject({ code: "42501" });
  expect((await as({ sub: "user_eve" }, "update notes set body = 'x' where clerk_id = 'user_ada'")).rowCount).toBe(0);
});

it("a user whose row is not there yet cannot write", async () => {
  const early = as({ sub: "user_late" }, "insert into notes (body) values ('x')");
  await expect(early).rejects.toMatchObject({ code: "23503" });
});

it("the policy for admins asks for the own row only, so that a user who is no admin sees no more", async () => {
  expect(await bodies("user_root")).toEqual(["of Ada", "of Eve"]);
  expect(await bodies("user_eve")).toEqual(["of Eve"]);
});

it("an organization is found in claims of both versions", async () => {
  await queue.pool.query(`
    create table boards (org_id text, title text);
    alter table boards enable row level security;
    grant select on boards to authenticated;
    create policy boards_of_org on boards for select to authenticated ${organization};
    insert into boards values ('org_1', 'ours'), ('org_2', 'theirs')`);
  for (const claims of [
    { sub: "user_ada", v: 2, o: { id: "org_1" } },
    { sub: "user_ada", org_id: "org_1" },
  ]) {
    expect((await as(claims, "select title from boards")).rows).toEqual([{ title: "ours" }]);
  }
  expect((await as({ sub: "user_ada" }, "select title from boards")).rows).toEqual([]);
});

it("a user's notes go with the user", async () => {
  await queue.pool.query("delete from users where clerk_id = 'user_eve'");
  expect(await bodies("user_root")).toEqual(["of Ada"]);
});
