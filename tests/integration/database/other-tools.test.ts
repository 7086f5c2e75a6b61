import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "#core/config/config.ts";
import { usersTable } from "../../../local/open-local-database.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { applyPrelude, readMigrations } from "../../../server/migrate.ts";
import { startServer } from "../../../server/start-server.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { testSecret } from "../../support/clerk/sign.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { runCommand } from "../../support/processes/run-command.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

const bin = (name: string) => fileURLToPath(new URL(`../../../node_modules/.bin/${name}`, import.meta.url));
const page = await readFile(new URL("../../../docs/other-tools.md", import.meta.url), "utf8");
/** The TypeScript of the page for Drizzle users: the settings, the index, the table with its policies. */
const [settings = "", , table = ""] = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]);

let database: TestDatabase;
let folder: Awaited<ReturnType<typeof createTestFolder>>;
beforeEach(async () => {
  database = await createEmptyDatabase();
  folder = await createTestFolder(); // inside the repository, where drizzle-orm is found
});
afterEach(async () => {
  await database.drop();
  await folder.remove();
});

/** Runs a program in the folder with nothing of the caller's environment; its output. */
async function run(program: string, args: readonly string[]): Promise<string> {
  const env = {
    PATH: process.env["PATH"],
    HOME: folder.path,
    DATABASE_URL: database.url,
    SUPABASE_TELEMETRY_DISABLED: "1",
  };
  return new Promise((resolve, reject) => {
    const child = execFile(bin(program), args, { cwd: folder.path, env }, (error, stdout, stderr) => {
      if (error === null) resolve(`${stdout}${stderr}`);
      else reject(new Error(`${program} ${args.join(" ")}: ${stdout}${stderr}`));
    });
    child.stdin?.end();
  });
}

const write = (name: string, text: string) => writeFile(path.join(folder.path, name), text);
const migrate = (...args: string[]) =>
  runCommand(["migrate", ...args], { folder: folder.path, environment: { DATABASE_URL: database.url } });

async function findings(): Promise<unknown[]> {
  const { rows } = await database.pool.query("select public.clerk_sync_object_findings() as found");
  return rows[0].found;
}

const ownRow = {
  users: {
    table: "users",
    key: "clerk_user_id",
    columns: { email: { from: "email", default: "{id}@users.invalid" }, first_name: "first_name" },
    access: { own_row: { editable: ["first_name"] } },
  },
};

describe("drizzle-kit push --force beside an installation", () => {
  const push = () => run("drizzle-kit", ["push", "--force", "--verbose"]);
  const plainTable = table.replace(/,\n {2}\(\) => \[[\s\S]*?\n {2}\],/, "");
  const plainSettings = settings.replace(/ {2}(schemaFilter|tablesFilter).*\n/g, "");

  /** The table as drizzle-kit makes it, and the sync beside it. */
  async function install(): Promise<void> {
    await write("drizzle.config.ts", plainSettings);
    await write("schema.ts", plainTable);
    expect(await push()).toContain("Changes applied");
    await database.pool.query("alter table users enable row level security");
    await write("clerk-sync.config.json", JSON.stringify(ownRow));
    expect(await migrate()).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await findings()).toEqual([]);
  }

  it("drops the queue and opens the table: health says so, migrate --repair restores both, and events flow again", async () => {
    await install();
    const port = await findFreePort();
    const config = readConfig({
      DATABASE_URL: database.url,
      AUTH_MIRROR: "off",
      PORT: String(port),
      CLERK_WEBHOOK_SECRET: testSecret,
      SUPABASE_SECRET_KEY: "sb_secret_test_0123456789",
    });
    const server = await startServer({ config });
    try {
      const target = { url: server.url, webhookSecret: testSecret };
      const send = async (id: string) =>
        (await postEvent(target, userEvent("user.created", { id, version: 1 }))).status;
      const ids = async () =>
        (await database.pool.query("select array_agg(clerk_user_id order by 1) as ids from users")).rows[0].ids;
      const ask = async (route: string) => {
        const headers = { apikey: "sb_secret_test_0123456789" };
        const response = await fetch(server.url + route, { headers });
        return { status: response.status, body: await response.json() };
      };
      expect(await send("user_before")).toBe(202);
      await waitFor("the row", async () => (await ids())?.length === 1);
      await waitFor("health", async () => (await ask("/health")).status === 200);

      const pushed = await push();
      for (const statement of ['DROP TABLE "job_queue" CASCADE', 'ALTER TABLE "users" DISABLE ROW LEVEL SECURITY']) {
        expect(pushed).toContain(statement);
      }

      expect(await send("user_meanwhile")).toBe(503);
      await waitFor("health", async () => (await ask("/health")).status === 503);
      expect((await ask("/health")).body).toMatchObject({
        status: "unavailable",
        code: "objects_missing",
        missing: expect.arrayContaining(["table public.job_queue"]),
      });
      const { body } = await ask("/functions/v1/sync-health");
      expect(body).toMatchObject({ status: "compromised", reasons: expect.any(Array) });
      const told = JSON.stringify(body.reasons);
      expect(told).toContain("table public.job_queue");
      expect(told).toContain("row level security of public.users");
      expect(await ask("/functions/v1/sync-admin/overview")).toMatchObject({
        status: 503,
        body: { code: "objects_missing", error: expect.stringContaining("table public.job_queue") },
      });
      expect((await migrate()).stderr).toContain("missing: table public.job_queue");

      const repaired = await migrate("--repair");
      expect(repaired).toMatchObject({ exitCode: 0, stderr: "" });
      for (const object of [
        "table public.job_queue",
        "row level security of public.users",
        "policy users_select_own on public.users",
      ]) {
        expect(repaired.stdout).toContain(`restored ${object}`);
      }
      expect(await findings()).toEqual([]);
      await waitFor("an event that is taken", async () => (await send("user_meanwhile")) === 202);
      await waitFor("both rows", async () => (await ids()).length === 2);
      expect(await ids()).toEqual(["user_before", "user_meanwhile"]);
      await waitFor("health", async () => (await ask("/health")).status === 200);
    } finally {
      await server.stop();
    }
  });

  it("changes nothing with the settings and the policies of docs/other-tools.md", async () => {
    await install();
    await write("drizzle.config.ts", settings);
    await write("schema.ts", table);
    expect(await push()).toContain("No changes detected");
    expect(await findings()).toEqual([]);
  });
});

describe("a Supabase project", () => {
  it("is repaired by the commands that migrate --repair prints", async () => {
    const client = await database.pool.connect();
    await applyPrelude(client, null);
    client.release();
    const migrations = path.join(folder.path, "supabase", "migrations");
    await mkdir(migrations, { recursive: true });
    await write("supabase/config.toml", 'project_id = "test"\n');
    await write("supabase/migrations/20260101000000_app.sql", await readFile(usersTable, "utf8"));
    const schema = (await readMigrations()).map(({ sql }) => sql).join("\n");
    await write("supabase/migrations/20260102000000_clerk_sync_schema.sql", schema);
    await write("supabase/migrations/20260103000000_later.sql", "create table public.later (id integer primary key);");
    await write(
      "clerk-sync.config.json",
      await readFile(new URL("../../../clerk-sync.config.json", import.meta.url), "utf8"),
    );
    const supabase = (line: string) =>
      run("supabase", [...line.split(" "), `--remote=${database.url}?sslmode=disable`, "--yes", "--agent", "no"]);
    await supabase("db push");
    expect(await findings()).toEqual([]);
    await database.pool.query(
      "insert into users (clerk_id) values ('user_kept'); drop table job_queue cascade; alter table users disable row level security",
    );
    const { exitCode, stderr } = await migrate("--repair");
    expect(exitCode).toBe(1);
    const commands = [...stderr.matchAll(/npx supabase (.*)/g)].map(([, line = ""]) => line);
    expect(commands).toEqual([
      "migration repair --remote --status reverted 20260102000000",
      "db push --remote --include-all",
    ]);
    for (const command of commands) await supabase(command.replace(" --remote", ""));
    expect(await findings()).toEqual([]);
    const { rows } = await database.pool.query("select array_agg(clerk_id) as ids from users");
    expect(rows).toEqual([{ ids: ["user_kept"] }]);
  });
});
