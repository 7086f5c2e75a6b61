import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { runCommand } from "../../support/processes/run-command.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";

// clerk-sync init --db-url: the tables are those of a database, and their rows say what names do not.

let database: TestDatabase;
let project: Awaited<ReturnType<typeof createTestFolder>>;
beforeEach(async () => {
  [database, project] = [await createEmptyDatabase(), await createTestFolder()];
  await writeFile(path.join(project.path, "package.json"), "{}");
  await database.pool.query(
    `create table accounts (id int generated always as identity primary key, login text unique, external text unique, role text not null);
     insert into accounts (login, external, role) values ('ada@example.com', 'user_ada', 'admin'), ('bob@example.com', 'user_bob', 'member');
     create table orders (id int primary key, account int references accounts (id) on delete cascade)`,
  );
});
afterEach(async () => {
  await database.drop();
  await project.remove();
});

const init = (...args: string[]) => runCommand(["init", "--db-url", database.url, ...args], { folder: project.path });

it("takes the column whose rows have Clerk's ids for the key, and the database is as before", async () => {
  const done = await init("--yes", "--table", "accounts", "--delete", "soft", "--dry-run");
  expect(done).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("add column deleted_at timestamptz") });
  const hard = await init("--yes", "--table", "accounts", "--delete", "hard");
  expect(hard.stderr).toContain("A person has to confirm what goes into public.accounts (the database at --db-url)");
  await database.pool.query("alter table accounts alter column role set default 'member'");
  const taken = await init("--yes", "--table", "accounts", "--delete", "hard");
  expect(taken).toMatchObject({ exitCode: 0, stderr: "" });
  expect(taken.stdout).toContain("with it its rows of public.orders");
  expect(taken.stdout).toContain("clerk-sync backfill --dry-run names each row that would change, and each role");
  expect(await readFile(path.join(project.path, "clerk-sync.config.json"), "utf8")).toContain('"key": "external"');
  const { rows } = await database.pool.query("select login, role from accounts order by id");
  expect(rows).toEqual([
    { login: "ada@example.com", role: "admin" },
    { login: "bob@example.com", role: "member" },
  ]);
});

it("refuses a key whose rows have addresses, and names the one that is meant", async () => {
  expect(await init("--yes", "--table", "accounts", "--key", "login")).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("--key names login, a column of email addresses"),
  });
  expect(await init("--yes", "--table", "accounts", "--key", "login")).toMatchObject({
    stderr: expect.stringContaining("Is external meant? --key external"),
  });
  expect(await readdir(project.path)).toEqual(["package.json"]);
});
