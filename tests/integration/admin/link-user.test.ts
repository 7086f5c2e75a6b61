import { afterEach, beforeEach, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { runCommand } from "../../support/processes/run-command.ts";

const older = "00000000-0000-4000-8000-000000000001";

let queue: Queue;
let newer: string;
/** A customer from before, whose address Clerk verified only after the user had made posts. */
beforeEach(async () => {
  queue = await createQueue();
  await queue.pool.query(`
    create table posts (id integer primary key, author uuid not null references users (id) on delete cascade);
    create table members (user_id uuid primary key references users (id));
    create table notes (owner text references users (clerk_id));
    insert into users (id, email, name, preferences) values ('${older}', 'X@example.com', 'Old Name', '{"theme": "dark"}');`);
  await queue.send(userEvent("user.created", { id: "user_x", version: 1, email: "x@example.com", verified: false }));
  await queue.run();
  newer = String((await queue.user("user_x"))?.["id"]);
  await queue.pool.query("insert into posts values (1, $1), (2, $1), (3, $2)", [newer, older]);
  await queue.pool.query("insert into notes values ('user_x')");
  await queue.send(userEvent("user.updated", { id: "user_x", version: 2, email: "x@example.com" }));
  await queue.run();
});
afterEach(() => queue?.drop());

const link = (...more: string[]) =>
  runCommand(["users", "link", "user_x", "--row", older, "--database-url", queue.url, ...more]);
const users = async () => (await queue.pool.query("select id, clerk_id from users order by id")).rows;

it("shows what hangs on each row, moves it, and gives the older row to the user", async () => {
  expect(await queue.state("user_x")).toMatchObject({ unlinked_row: older });
  const done = await link("--yes");
  expect(done.stderr).toBe("");
  expect(done.stdout.split("\n")).toEqual([
    `public.users: the row ${older} stays, the row ${newer} of user_x is deleted.`,
    "Rows that reference them; those of the newer row are moved:",
    `  public.notes (owner): 0 of the row ${older}, 1 of the row ${newer}`,
    `  public.posts (author): 1 of the row ${older}, 2 of the row ${newer}`,
    "Columns in which the two rows differ:",
    ...["email", "name", "createdAt", "created_at"].map(
      (column) => `  ${column}: as the mapping says, by the next read`,
    ),
    `  preferences: stays as in the row ${older}`,
    `user_x has the row ${older} now, and is read again from Clerk.`,
  ]);
  expect(await users()).toEqual([{ id: older, clerk_id: "user_x" }]);
  expect((await queue.pool.query("select author from posts")).rows).toEqual(Array(3).fill({ author: older }));
  expect(await queue.one("select owner from notes")).toEqual({ owner: "user_x" });
  expect(await queue.state("user_x")).toMatchObject({ unlinked_row: null, refresh_reason: "linked" });
  expect(await queue.one("select source, subject, detail from clerk_sync.audit where code = 'link_user'")).toEqual({
    source: expect.stringMatching(/^cli ./),
    subject: "user_x",
    detail: { row: older, deleted_row: newer },
  });
  await queue.send(userEvent("user.updated", { id: "user_x", version: 3, email: "x@example.com" }));
  await queue.run();
  expect(await queue.user("user_x")).toMatchObject({
    id: older,
    email: "x@example.com",
    name: "Ada Lovelace",
    preferences: { theme: "dark" },
  });
});

it("changes nothing when the answer is no, and asks first", async () => {
  const before = await users();
  const asked: string[] = [];
  const confirm = async (question: string) => asked.push(question) < 0;
  const done = await runCommand(["users", "link", "user_x", "--row", older, "--database-url", queue.url], { confirm });
  expect([done.exitCode, done.stdout.split("\n").at(-1)]).toEqual([1, "Nothing was changed."]);
  expect(asked).toEqual([`Give the row ${older} to user_x, and delete the row ${newer}?`]);
  expect(await users()).toEqual(before);
  expect(await queue.one("select count(*)::integer as count from posts where author = $1", [newer])).toEqual({
    count: 2,
  });
  expect(await queue.one("select from clerk_sync.audit where code = 'link_user'")).toBeUndefined();
  expect(await link("--json")).toMatchObject({
    exitCode: 2,
    stdout: expect.stringContaining("Nobody can answer here: pass --yes."),
  });
});

it("refuses with the statement when a row of another table cannot be moved", async () => {
  await queue.pool.query("insert into members values ($1), ($2)", [newer, older]);
  const before = await users();
  const done = await link("--yes");
  expect([done.exitCode, done.stderr]).toEqual([
    1,
    expect.stringMatching(
      new RegExp(
        `^error rows_refused: Rows of public.members cannot be moved: duplicate key .*"members_pkey".*\\n  update public.members as c set user_id = '${older}'::uuid where c.user_id = '${newer}'::uuid;$`,
      ),
    ),
  ]);
  expect(await users()).toEqual(before);
});

it("refuses to delete rows along with the newer one, and its statement is the remedy", async () => {
  await queue.pool.query(`
    alter table notes drop constraint notes_owner_fkey,
      add constraint notes_owner_fkey foreign key (owner) references users (clerk_id) on update cascade on delete cascade deferrable`);
  const refused = await link("--yes");
  expect(refused.stderr).toContain("Rows of public.notes reference clerk_id with on delete cascade");
  const statement = refused.stderr.split("\n").at(-1) ?? "";
  expect(statement).toContain("ON UPDATE CASCADE DEFERRABLE;");
  await queue.pool.query(statement);
  expect(await link("--yes")).toMatchObject({ exitCode: 0 });
  expect(await queue.one("select owner from notes")).toEqual({ owner: "user_x" });
});

it("links a user without a row, and prints one value with --json", async () => {
  await queue.pool.query("delete from notes");
  await queue.pool.query("delete from users where id = $1", [newer]);
  const done = await link("--yes", "--json");
  expect(done.stderr).toBe("");
  expect(JSON.parse(done.stdout)).toEqual({
    linked: true,
    clerk_id: "user_x",
    table: "public.users",
    row: older,
    newer_row: null,
    references: [{ table: "public.posts", columns: ["author"], here: 1, newer: 0 }],
    differences: [],
  });
  expect(await users()).toEqual([{ id: older, clerk_id: "user_x" }]);
});

it.each([
  [["user_nobody", older], "The sync does not know user_nobody. If Clerk does: clerk-sync users resync user_nobody."],
  [["user_x", "nonsense"], "--row nonsense is no uuid, as id of public.users is."],
  [["user_x", older.replace("1", "2")], `public.users has no row whose id is ${older.replace("1", "2")}.`],
  [["user_x", "taken"], "belongs to another Clerk user, user_y."],
])("says what is wrong with %j", async ([id = "", row = ""], message) => {
  await queue.send(userEvent("user.created", { id: "user_y", version: 1 }));
  await queue.run();
  const taken = String((await queue.user("user_y"))?.["id"]);
  const args = ["users", "link", id, "--row", row === "taken" ? taken : row, "--yes", "--database-url", queue.url];
  expect(await runCommand(args)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(message) });
});
