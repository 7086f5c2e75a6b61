import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { fieldsOf, parseMapping } from "#core/config/mapping.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";
import { runCommand } from "../../support/processes/run-command.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";

const runtimeMapping = "supabase/functions/_shared/clerk-sync/mapping.json";
const profiles = {
  users: {
    table: "public.profiles",
    key: "id",
    columns: { username: "username", full_name: "name", avatar_url: "image_url" } as Record<string, string>,
  },
};

let queue: Queue;
let project: Awaited<ReturnType<typeof createTestFolder>>;
beforeEach(async () => {
  [queue, project] = [await createQueue(), await createTestFolder()];
  await queue.pool.query(teamTables.profiles);
  await configure(profiles);
});
afterEach(async () => {
  await queue.drop();
  await project.remove();
});

const configure = (file: unknown) =>
  writeFile(path.join(project.path, "clerk-sync.config.json"), JSON.stringify(file, null, 2));
const read = (file: string) => readFile(path.join(project.path, file), "utf8");
const generate = (...args: string[]) => runCommand(["generate", ...args], { folder: project.path });
const migrations = async () => (await readdir(path.join(project.path, "supabase/migrations"))).sort();

it("writes the migration, the columns and the fields of the functions; pushed, events go into the table", async () => {
  expect(await generate("--database-url", queue.url)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("It grants service_role what the sync needs on public.profiles"),
  });
  const [migration = ""] = await migrations();
  expect(migration).toMatch(/^\d{14}_clerk_sync_mapping\.sql$/);
  await queue.pool.query(await read(`supabase/migrations/${migration}`));
  const mapping = parseMapping(JSON.parse(await read(runtimeMapping)));
  expect(mapping).toEqual(await queue.database.mapping());
  const event = toJob(userEvent("user.updated", { id: "user_old1", version: 1 }), "msg_1", fieldsOf(mapping, false));
  await queue.database.enqueue([event], 15);
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.one("select full_name, email from profiles where id = 'user_old1'")).toEqual({
    full_name: "Ada Lovelace",
    email: "ada@example.com", // it is not mapped
  });
});

it("takes the same mapping from files as from the database", async () => {
  await mkdir(path.join(project.path, "supabase/migrations"), { recursive: true });
  for (const [table, key, columns] of [
    ["profiles", "id", profiles.users.columns],
    ["User", "clerkId", { id: "uuid", email: { from: "email", default: "{id}@users.invalid" }, updatedAt: "now" }],
    [
      "users",
      "clerk_user_id",
      { email: { from: "email", default: "{id}@users.invalid" }, role: "public_metadata.role" },
    ],
  ] as const) {
    const sql = { profiles: teamTables.profiles, User: teamTables.prisma, users: teamTables.drizzle }[table];
    await configure({ users: { table: `public.${table}`, key, columns } });
    await queue.pool.query("drop table if exists posts, profiles, users cascade");
    await queue.pool.query(sql);
    await writeFile(path.join(project.path, "supabase/migrations/1_own.sql"), sql);
    const ofFiles = JSON.parse((await generate("--json")).stdout);
    const ofDatabase = JSON.parse((await generate("--json", "--db-url", queue.url)).stdout);
    expect({ table, hash: ofFiles.hash, notes: ofDatabase.notes }).toEqual({ table, hash: ofDatabase.hash, notes: [] });
    expect(ofDatabase.files).toEqual(["supabase/clerk-sync.json"]); // it says where the columns come from
  }
});

it("has nothing to do a second time, and names the backfill of a column that is mapped later", async () => {
  await mkdir(path.join(project.path, "supabase"), { recursive: true });
  await generate("--db-url", queue.url);
  const first = await migrations();
  expect(await generate()).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("No migration to write") });
  expect(await migrations()).toEqual(first);
  await configure({ users: { ...profiles.users, columns: { ...profiles.users.columns, email: "email" } } });
  expect(await generate()).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("npx clerk-sync backfill --columns email"),
  });
  expect(await migrations()).toHaveLength(2);
});

it("refuses a table that does not fit with the statements, and writes nothing", async () => {
  await configure({ users: { ...profiles.users, columns: { full_nam: "name" } } });
  const refused = await generate("--db-url", queue.url);
  expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("is full_name meant?") });
  await expect(migrations()).rejects.toThrow("ENOENT");
});

it("prints the SQL and writes nothing with --print-sql", async () => {
  const printed = await generate("--db-url", queue.url, "--print-sql");
  expect(printed).toMatchObject({
    exitCode: 0,
    stderr: "",
    stdout: expect.stringContaining("insert into public.profiles as u"),
  });
  await expect(migrations()).rejects.toThrow("ENOENT");
});

it("--types writes the row's TypeScript, also when there is no migration to write", async () => {
  await generate("--db-url", queue.url);
  expect(await generate("--types", "src/profiles-row.ts")).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^wrote src\/profiles-row\.ts\nNo migration to write/),
  });
  expect(await read("src/profiles-row.ts")).toContain(
    "  /** From Clerk: image_url. */\n  avatar_url: string | null;\n",
  );
  expect(await migrations()).toHaveLength(1);
});

it("--types writes nothing else in a project without supabase/, whose server migrates", async () => {
  const done = await generate("--db-url", queue.url, "--types", "src/profiles-row.ts");
  expect(done).toMatchObject({ exitCode: 0, stdout: "wrote src/profiles-row.ts" });
  expect(await readdir(project.path)).toEqual(["clerk-sync.config.json", "src"]);
});
