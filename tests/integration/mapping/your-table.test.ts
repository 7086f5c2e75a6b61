import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fieldsOf } from "#core/config/mapping.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";
import { createEmptyDatabase } from "../../support/database/test-database.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";
import { runCommand } from "../../support/processes/run-command.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";

// The three tables of docs/your-table.md, as they stand there: init reads the file of each, and writes the configuration
// that the page shows; migrate applies it to the table, and an event makes a row.

const page = await readFile(new URL("../../../docs/your-table.md", import.meta.url), "utf8");

function blockOf(section: string, language: string): string {
  const start = page.indexOf(`\n## ${section}\n`);
  const text = page.slice(start, page.indexOf("\n## ", start + 4));
  const [, block = ""] = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, "m").exec(text) ?? [];
  return block;
}

const cases = [
  {
    section: "Clerk's id as the primary key",
    language: "sql",
    file: "supabase/migrations/20260101000000_profiles.sql",
    table: teamTables.profiles,
    row: "select * from public.profiles where id = 'user_new'",
    expected: { username: "ada", full_name: "Ada Lovelace", email: "user_new@example.com" },
  },
  {
    section: "Prisma",
    language: "prisma",
    file: "prisma/schema.prisma",
    table: teamTables.prisma,
    row: `select * from public."User" where "clerkId" = 'user_new'`,
    expected: { id: expect.stringMatching(/^[0-9a-f-]{36}$/), firstName: "Ada", email: "user_new@example.com" },
  },
  {
    section: "Drizzle",
    language: "ts",
    file: "src/db/schema.ts",
    table: teamTables.drizzle,
    row: "select * from public.users where clerk_user_id = 'user_new'",
    expected: { first_name: "Ada", role: "viewer", deleted_at: null },
  },
];

let queue: Queue;
let project: Awaited<ReturnType<typeof createTestFolder>>;
beforeEach(async () => {
  [queue, project] = [await createQueue(), await createTestFolder()];
});
afterEach(async () => {
  await queue.drop();
  await project.remove();
});

async function write(file: string, text: string): Promise<void> {
  await mkdir(path.join(project.path, path.dirname(file)), { recursive: true });
  await writeFile(path.join(project.path, file), text);
}

describe.each(cases)("$section", ({ section, language, file, table, row, expected }) => {
  it("init writes the configuration of the page, and an event makes a row", async () => {
    await write("package.json", '{ "dependencies": { "drizzle-orm": "0.45.4" } }');
    await write(file, blockOf(section, language));
    await write(
      "drizzle.config.ts",
      'export default { dialect: "postgresql", schema: "./src/db/schema.ts", out: "./drizzle" };',
    );
    expect(await runCommand(["init", "--yes"], { folder: project.path })).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await readFile(path.join(project.path, "clerk-sync.config.json"), "utf8")).toBe(blockOf(section, "jsonc"));
    await queue.pool.query(`create schema contract; alter table public.users set schema contract; ${table}`);
    const migrated = await runCommand(["migrate", "--database-url", queue.url], { folder: project.path });
    expect(migrated).toMatchObject({ exitCode: 0, stderr: "" });
    const created = userEvent("user.created", { id: "user_new", version: 1 });
    const event = { ...created, data: { ...created.data, username: "ada" } };
    await queue.database.enqueue([toJob(event, "msg_1", fieldsOf(await queue.database.mapping(), false))], 15);
    expect(await queue.run()).toEqual(["COMPLETED"]);
    expect(await queue.one(row)).toMatchObject(expected);
  });
});

it.each(["a table of the contract", "no table"])(
  "a project with %s answers one question, and events make rows",
  async (kind) => {
    const database = await createEmptyDatabase();
    try {
      await write("package.json", "{}");
      if (kind !== "no table") {
        const sql = await readFile(new URL("../../../local/contract-users.sql", import.meta.url), "utf8");
        await write("migrations/0001_users.sql", sql);
        await database.pool.query(sql);
      }
      const asked: string[] = [];
      const confirm = async (question: string) => asked.push(question) > 0;
      const choose = async (question: string) => {
        asked.push(question);
        return null;
      };
      const done = await runCommand(["init"], { folder: project.path, confirm, choose });
      expect([done.exitCode, done.stderr, asked.length]).toEqual([0, "", 1]);
      const environment = { DATABASE_URL: database.url };
      expect(await runCommand(["migrate"], { folder: project.path, environment })).toMatchObject({ exitCode: 0 });
      const { rows: mappings } = await database.pool.query("select public.clerk_sync_mapping() as mapping");
      const job = toJob(
        userEvent("user.created", { id: "user_new", version: 1 }),
        "msg_1",
        fieldsOf(mappings[0].mapping, false),
      );
      await database.pool.query("select public.clerk_sync_accept($1)", [JSON.stringify([job])]);
      const { rows } = await database.pool.query("select email, name from public.users where clerk_id = 'user_new'");
      expect(rows).toEqual([{ email: "user_new@example.com", name: "Ada Lovelace" }]);
    } finally {
      await database.drop();
    }
  },
);
