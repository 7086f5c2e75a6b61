import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runCommand } from "../../tests/support/processes/run-command.ts";
import { createTestFolder } from "../../tests/support/processes/test-folder.ts";

const model = `datasource db {
  provider = "postgresql"
}

model User {
  id        String  @id @default(cuid())
  clerkId   String  @unique
  firstName String?
  role      String  @default("member")
}
`;

let project: Awaited<ReturnType<typeof createTestFolder>>;
beforeEach(async () => {
  project = await createTestFolder();
  await configure({ id: "uuid", firstName: "first_name", role: "public_metadata.role" });
});
afterEach(() => project.remove());

const configure = (columns: Readonly<Record<string, string>>) =>
  write("clerk-sync.config.json", JSON.stringify({ users: { table: "public.User", key: "clerkId", columns } }));

async function write(file: string, text: string): Promise<void> {
  await mkdir(path.join(project.path, path.dirname(file)), { recursive: true });
  await writeFile(path.join(project.path, file), text);
}

const generate = (...args: string[]) => runCommand(["generate", ...args], { folder: project.path });
const read = (file: string) => readFile(path.join(project.path, file), "utf8");
const saved = async () => JSON.parse(await read("supabase/clerk-sync.json")).mapping;
const migrations = async () => (await readdir(path.join(project.path, "supabase/migrations"))).sort();

it("takes the columns of a table from a file, says from which line, and notes them", async () => {
  await write("prisma/schema.prisma", model);
  const { exitCode, stdout, stderr } = await generate();
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toContain('The columns of public."User" are those of prisma/schema.prisma:5.');
  const [migration = ""] = await migrations();
  expect(await read(`supabase/migrations/${migration}`)).not.toContain("create table");
  expect(await saved()).toMatchObject({
    from: "prisma/schema.prisma:5",
    users: {
      isOurs: false,
      primaryKey: ["id"],
      columns: [{ name: "id" }, {}, {}, { defaultExpression: "'member'::text" }],
    },
  });
});

it("without any file that makes the table, the migration makes it", async () => {
  await write("prisma/schema.prisma", model.replace("model User", "model Person"));
  expect(await generate()).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("which the migration makes") });
});

it("refuses a table of a file that does not fit, with the statements, and writes nothing", async () => {
  await write("prisma/schema.prisma", model);
  await configure({ firstName: "first_name" });
  const { exitCode, stderr } = await generate();
  expect(exitCode).toBe(1);
  expect(stderr).toContain("does not fit clerk-sync.config.json, by prisma/schema.prisma:5 (pass --db-url");
  expect(stderr).toContain('"id": "uuid"');
  await expect(migrations()).rejects.toThrow("ENOENT");
});

it("takes a file that changed since, and says what changed", async () => {
  await write("prisma/schema.prisma", model);
  await generate();
  await write(
    "prisma/schema.prisma",
    model.replace("firstName String?", "firstName String? @db.VarChar(40)\n  plan String?"),
  );
  await configure({ id: "uuid", firstName: "first_name", role: "public_metadata.role", plan: "public_metadata.plan" });
  const { exitCode, stdout, stderr } = await generate();
  expect(exitCode).toBe(0);
  expect(
    stderr,
  ).toBe(`prisma/schema.prisma:5 has changed since supabase/clerk-sync.json was written. It is taken for public."User":
  "firstName" is varchar(40), and was text
  plan is new`);
  expect(stdout).toContain("npx clerk-sync backfill --columns plan");
  expect(await generate()).toMatchObject({ stderr: "", stdout: expect.stringContaining("No migration to write") });
  expect((await saved()).users.columns).toHaveLength(5);
});

it("notes a change of a column that is not mapped, without a migration", async () => {
  await write("prisma/schema.prisma", model);
  await generate();
  await write("prisma/schema.prisma", model.replace("firstName", "nickname String?\n  firstName"));
  expect(JSON.parse((await generate("--json")).stdout)).toMatchObject({
    files: ["supabase/clerk-sync.json"],
    notes: [expect.stringContaining("nickname is new")],
  });
  expect(await migrations()).toHaveLength(1);
  expect((await saved()).users.columns).toHaveLength(5);
});

it("keeps the columns of a database where the files said otherwise then, and says that they differ", async () => {
  await write("prisma/schema.prisma", model);
  await generate();
  const { hash, columns, users } = await saved();
  // as --db-url leaves it in a project without files
  await write("supabase/clerk-sync.json", JSON.stringify({ mapping: { hash, columns, users } }));
  await write("prisma/schema.prisma", model.replace("  role ", "  kind String?\n  role "));
  expect(await generate()).toMatchObject({
    exitCode: 0,
    stderr: `prisma/schema.prisma:5 differs from supabase/clerk-sync.json, which stays as it is for public."User" (pass --db-url to read the table again):\n  kind is new`,
  });
  expect((await saved()).users.columns).toHaveLength(4);
});

it("names a statement about the table that it could not read, and other files that differ", async () => {
  await write("prisma/schema.prisma", model);
  await write(
    "supabase/migrations/1_users.sql",
    'create table "User" (id text primary key, "clerkId" text unique, "firstName" text, role text);\ndo $$ begin execute \'alter table "User" drop column role\'; end $$;',
  );
  expect((await generate()).stderr.split("\n")).toEqual([
    'supabase/migrations/1_users.sql:2 names public."User" and could not be read: a do block is a program, which is not run',
    `  do $$ begin execute 'alter table "User" drop column role'; end $$`,
    "prisma/schema.prisma:5 has other columns or keys than supabase/migrations/1_users.sql:1, which counts.",
  ]);
});

it("refuses to rely on a default whose text the file does not say", async () => {
  const table =
    'create table "User" (id text primary key, "clerkId" text unique, "firstName" text, role text not null default app.role(1));';
  await write("migrations/1.sql", table);
  expect(await generate()).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('role of public."User" takes its own default where Clerk has no value'),
  });
});

it("prints one JSON object with its notes, and the SQL alone with --print-sql", async () => {
  await write("prisma/schema.prisma", model.replace("firstName String?", "firstName String? = 3"));
  const printed = await generate("--print-sql");
  expect(printed.stdout.startsWith("-- Generated by clerk-sync generate from clerk-sync.config.json.")).toBe(true);
  const both = JSON.parse((await generate("--json", "--print-sql")).stdout);
  expect(both).toEqual({ sql: printed.stdout, hash: expect.any(String), notes: [expect.any(String)] });
  const { stdout, stderr } = await generate("--json");
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toMatchObject({
    files: [expect.any(String), "supabase/clerk-sync.json", expect.any(String)],
    notes: [expect.stringContaining('prisma/schema.prisma:8 names public."User" and could not be read')],
  });
});

it("without a configuration it says that the table is a plain one of its own", async () => {
  await rm(path.join(project.path, "clerk-sync.config.json"));
  const { exitCode, stdout, stderr } = await generate("--print-sql");
  expect(exitCode).toBe(0);
  expect(stderr).toBe(
    `There is no clerk-sync.config.json in ${project.path}, so the sync has a plain table of its own, public.users. For a table of yours run: npx clerk-sync init`,
  );
  expect(stdout).toMatch(/^-- Generated by clerk-sync generate\.\n/);
  expect(JSON.parse((await generate("--json")).stdout).notes).toEqual([stderr]);
});
