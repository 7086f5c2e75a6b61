import { mkdir, readdir, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import { createInitProject, type InitProject } from "../../tests/support/processes/init-project.ts";
import { main } from "../main.ts";

let given: InitProject;
beforeEach(async () => {
  given = await createInitProject();
});
const init: InitProject["init"] = (...args) => given.init(...args);
const write: InitProject["write"] = (...args) => given.write(...args);
const writeSource: InitProject["writeSource"] = (...args) => given.writeSource(...args);
const read: InitProject["read"] = (...args) => given.read(...args);

test("what is installed: migrations, functions, their core, tests, sections, and the manifest", async () => {
  expect((await init(["--yes"])).exitCode).toBe(0);
  expect(
    (await readdir(path.join(given.project, "supabase"), { recursive: true })).filter((file) => file.includes(".")),
  ).toEqual(
    expect.arrayContaining([
      "clerk-sync.json",
      "migrations/20261231235959_clerk_sync_schema.sql",
      "functions/hook/index.ts",
      "functions/_shared/clerk-sync/core.ts",
      "tests/clerk_sync_01_rights_test.sql",
    ]),
  );
  expect(await readdir(path.join(given.project, "supabase/functions/hook"))).toEqual(["index.ts"]);
  expect(await read("supabase/config.toml")).toMatch(
    /^project_id = "own"\n\n# From .*\n\[functions\.hook\]\nverify_jwt = false\n$/,
  );
});

// The clock of these tests stands at 2027-01-01.
test("after a migration of a moment ago it ends when its own numbers are past, so that the next one gets another", async () => {
  await write("supabase/migrations/20261231235959_own.sql", "create table own (id int);\n");
  await writeSource("supabase/migrations/20261124000002_more.sql", "select 2;\n");
  const done = await init(["--yes"]);
  expect(done).toMatchObject({ exitCode: 0, slept: 1000 });
  expect(done.stderr).toContain("Waiting 1 s");
  expect((await init(["--yes"])).slept).toBe(0);
});

test("numbers that follow a migration of the future are pointed out, and not waited for", async () => {
  await write("supabase/migrations/20270601000000_own.sql", "create table own (id int);\n");
  const done = await init(["--yes"]);
  expect(done).toMatchObject({ exitCode: 0, slept: 0 });
  expect(done.stderr).toContain("20270601000000_own.sql lies in the future");
});

test("it asks once, and a no changes nothing", async () => {
  const refused = await init([], { answers: [false] });
  expect(refused).toMatchObject({ exitCode: 1, stderr: "Nothing was changed." });
  expect(refused.asked).toEqual([`Install clerk-supabase-sync 1.2.3 into ${given.project}?`]);
  expect(await readdir(path.join(given.project, "supabase"))).toEqual(["config.toml"]);
  expect(await init([], { answers: [true] })).toMatchObject({ exitCode: 0 });
});

test("--dry-run prints the plan and changes nothing", async () => {
  const done = await init(["--dry-run"], { answers: [] });
  expect(done).toMatchObject({ exitCode: 0, asked: [] });
  expect(done.stdout).toMatch(/^add +supabase\/functions\/hook\/index\.ts$/m);
  expect(await readdir(path.join(given.project, "supabase"))).toEqual(["config.toml"]);
});

test("--json prints one object and asks nothing", async () => {
  const waiting = await init(["--json"], { answers: [true] });
  expect(waiting).toMatchObject({ exitCode: 1, stderr: "", asked: [] });
  expect(JSON.parse(waiting.stdout)).toMatchObject({ project: given.project, outcome: "needs_yes", written: [] });
  const done = JSON.parse((await init(["--json", "--yes"])).stdout);
  expect(done).toMatchObject({ outcome: "done", removed: [] });
  expect(done.changes).toContainEqual({ path: "supabase/config.toml", section: "hook", state: "add" });
  expect(done.changes).toContainEqual({ path: "supabase/clerk-sync.json", state: "add" });
  expect(done.written.at(-1)).toBe("supabase/clerk-sync.json");
});

test("an upgrade replaces what was not touched, removes what is gone, and asks for the steps it needs only", async () => {
  await init(["--yes"]);
  await rm(path.join(given.source, "supabase/functions/_shared/clerk-sync/core.ts"));
  await writeSource("supabase/functions/_shared/clerk-sync/renamed.ts", "// core\n");
  await writeSource("package.json", '{"name":"clerk-supabase-sync","version":"1.3.0"}');
  await writeSource("supabase/functions/hook/index.ts", "// hook 2\n");
  const done = await init(["--yes"]);
  expect(done.stdout).toMatch(/^update +supabase\/functions\/hook\/index\.ts$/m);
  expect(await readdir(path.join(given.project, "supabase/functions/_shared/clerk-sync"))).toEqual(["renamed.ts"]);
  expect(done.stdout).toContain("functions deploy hook");
  expect(done.stdout).not.toMatch(/db push|Add Endpoint|vault/);
  expect(JSON.parse(await read("supabase/clerk-sync.json"))).toMatchObject({ version: "1.3.0" });
});

test("what a commit before the first release installed is refused, nothing is written, and it can be taken out", async () => {
  await init(["--yes"]);
  await rm(path.join(given.source, "supabase/migrations/20261124000001_schema.sql"));
  await writeSource("supabase/migrations/20261130000000_schema.sql", "select 3;\n");
  const before = await readdir(path.join(given.project, "supabase"), { recursive: true });
  for (const option of ["--yes", "--dry-run"]) {
    const refused = await init([option]);
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("before the first release") });
    expect(refused.stderr).toContain("init --remove --migrations");
  }
  expect(await readdir(path.join(given.project, "supabase"), { recursive: true })).toEqual(before);
  expect((await init(["--remove", "--migrations", "--yes"])).stdout).toContain("drop all;");
  expect((await init(["--yes"])).exitCode).toBe(0);
  expect(await readdir(path.join(given.project, "supabase/migrations"))).toEqual([
    "20261231235959_clerk_sync_schema.sql",
  ]);
});

test("a users table in a migration of one's own is proposed, and one that cannot take Clerk's id is refused", async () => {
  await write("supabase/migrations/20260101000000_own.sql", "create table users (id int);\n");
  const refused = await init(["--yes"]);
  expect(refused.stderr).toContain("alter table public.users add column clerk_id text unique;");
  expect(await readdir(path.join(given.project, "supabase"))).toEqual(["config.toml", "migrations"]);
  await write("supabase/migrations/20260102000000_key.sql", "alter table users add column clerk_id text unique;\n");
  const done = await init(["--yes"]);
  expect(done.stdout).toContain("Your users are in public.users (supabase/migrations/20260101000000_own.sql:1).");
  expect(JSON.parse(await read("supabase/clerk-sync.json"))).toMatchObject({
    mapping: { users: { table: { name: "users" }, isOurs: false } },
  });
});

test("the first installation names every secret, and one processor secret for both places", async () => {
  const { stdout } = await init(["--yes"]);
  expect(stdout).toMatch(/^ +\d\. Make a processor secret and keep it.*: openssl rand -hex 32$/m);
  expect(stdout).toMatch(/secrets set .* CLERK_ISSUER=https:\/\/… PROCESSOR_SECRET=<that>/);
  expect(stdout).toMatch(/echo \.env\.clerk-sync >> \.gitignore$/m);
  expect(stdout).toMatch(/\d+\. For users who signed up before: npx clerk-sync backfill --env-file \.env\.clerk-sync$/);
});

test("--remove names what remains of ours and cannot work alone, and prints the SQL", async () => {
  await init(["--yes"]);
  await write("supabase/functions/hook/index.ts", "// mine\n");
  const [migration = ""] = await readdir(path.join(given.project, "supabase/migrations"));
  await write(`supabase/migrations/${migration}`, "-- mine\n");
  const done = await init(["--remove", "--migrations", "--yes"]);
  const remains = `supabase/migrations/${migration}, supabase/functions/hook/index.ts`;
  expect(done.stdout).toContain(`1. These remain and will not work alone: ${remains}; delete them.`);
  expect(done.stdout).toContain("npx supabase functions delete hook");
  expect(done.stdout).toContain("in the SQL editor:\n\ndrop all;\n");
});

test("migrations that stay together are nothing to delete", async () => {
  await init(["--yes"]);
  expect((await init(["--remove", "--yes"])).stdout).not.toContain("These remain");
});

test("workflows come with --github, and are kept up to date from then on", async () => {
  await writeSource("templates/github/deploy.yml", "on: push\n");
  expect((await init(["--yes"])).stdout).not.toContain(".github");
  await init(["--yes", "--github"]);
  expect(await read(".github/workflows/deploy.yml")).toBe("on: push\n");
  await writeSource("templates/github/deploy.yml", "on: [push]\n");
  await init(["--yes"]);
  expect(await read(".github/workflows/deploy.yml")).toBe("on: [push]\n");
  await init(["--yes", "--remove"]);
  expect(await readdir(given.project)).toEqual(["supabase"]);
});

test("it works from inside supabase/, and a linked project's URL is in the steps", async () => {
  await write("supabase/.temp/project-ref", "abcdefghijklmnopqrst\n");
  const done = await init(["--yes"], { folder: path.join(given.project, "supabase") });
  expect(done.stdout).toContain("https://abcdefghijklmnopqrst.supabase.co/functions/v1/clerk-webhook");
  expect(done.stdout).not.toContain("supabase link");
});

test("a section of the owner's stays on --remove, and is named", async () => {
  await write("supabase/config.toml", "[functions.hook]\nverify_jwt = false\n");
  await init(["--yes"]);
  const done = await init(["--yes", "--remove"]);
  expect(done.stdout).toMatch(/^keep +supabase\/config\.toml \[functions\.hook\]: it was there before$/m);
  expect((await init(["--remove"])).stdout).toContain("Nothing to do: clerk-supabase-sync is not in");
});

test("a project that changes while the question is open is not written to", async () => {
  const notes: string[] = [];
  const confirm = async () => {
    await write("supabase/config.toml", "changed = true\n");
    return true;
  };
  const io = { print: () => undefined, note: (line: string) => void notes.push(line), confirm, folder: given.project };
  expect(await main(["init"], { ...io, findPackageRoot: () => given.source })).toBe(1);
  expect(notes.join()).toContain("changed in the meantime");
  expect(await readdir(path.join(given.project, "supabase"))).toEqual(["config.toml"]);
});

test.each([
  [["--migrations"], 2, "--migrations goes with --remove"],
  [["--remove", "--overwrite"], 2, "do not fit"],
  [["--remove", "--keep", "supabase/config.toml"], 2, "do not fit"],
  [["--keep", "nowhere"], 2, "nothing is installed there"],
  [["--overwrite", "nowhere"], 2, "nothing is installed there"],
  [["--project", "nowhere"], 1, "Run it in the folder of your app, or name it with --project. For a new Supabase"],
  [["--github"], 1, "error package_incomplete:"],
])("%j ends with %i: %s", async (args, exitCode, message) => {
  expect(await init(args)).toMatchObject({ exitCode, stderr: expect.stringContaining(message) });
});

test.each([
  ["supabase/config.toml", "a = \n", "project_invalid: supabase/config.toml cannot be read"],
  ["supabase/clerk-sync.json", "{}", "project_invalid: supabase/clerk-sync.json cannot be read"],
  ["supabase/functions/hook/index.ts/mine.ts", "", "path_unusable: supabase/functions/hook/index.ts cannot be used"],
])("%s with %j is refused before anything is written", async (file, text, message) => {
  await write(file, text);
  expect(await init(["--yes"])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(message) });
  expect(await readdir(path.join(given.project, "supabase"))).not.toContain("migrations");
});

test("a functions folder that leads out of the project is refused", async () => {
  await mkdir(path.join(given.project, "../elsewhere"));
  await symlink("../../elsewhere", path.join(given.project, "supabase/functions"));
  expect(await init(["--yes"])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("path_unusable") });
  expect(await readdir(path.join(given.project, "../elsewhere"))).toEqual([]);
});

test("in a project without supabase/ the configuration alone is written, after one question", async () => {
  await rm(path.join(given.project, "supabase"), { recursive: true });
  await write("package.json", "{}\n");
  expect(await init(["--dry-run"])).toMatchObject({ exitCode: 0, asked: [] });
  expect(await init([])).toMatchObject({
    exitCode: 1,
    stderr: "Nothing was changed. Run it again with --yes to do this.",
  });
  const refused = await init([], { answers: [false] });
  expect(refused).toMatchObject({ exitCode: 1, stderr: "Nothing was changed." });
  expect(await readdir(given.project)).toEqual(["package.json"]);
  const done = await init([], { answers: [true] });
  expect(done).toMatchObject({ exitCode: 0, asked: [`Write clerk-sync.config.json into ${given.project}?`] });
  expect(done.stdout).toContain("1. DATABASE_URL=postgres://… npx clerk-sync migrate");
  expect(await read("clerk-sync.config.json")).toContain('"table": "public.users"');
  expect((await init([])).stdout).toContain("clerk-sync.config.json is there.");
});

test("a configuration that is there is followed, and options that contradict it are refused", async () => {
  await write("clerk-sync.config.json", '{ "users": { "table": "public.people", "key": "id", "columns": {} } }');
  const done = await init(["--yes"]);
  expect(done.stdout).not.toContain("No table of users was found");
  expect(JSON.parse(await read("supabase/clerk-sync.json"))).toMatchObject({ mapping: { columns: [], users: null } });
  expect(await init(["--yes", "--table", "public.users"])).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("clerk-sync.config.json says which table and which key"),
  });
});

test("a table of the files that the configuration does not fit is refused with the statements, before anything is written", async () => {
  await write("clerk-sync.config.json", '{ "users": { "table": "public.people", "key": "id", "columns": {} } }');
  await write(
    "supabase/migrations/20261201000000_people.sql",
    "create table people (id text primary key, plan text not null);\n",
  );
  const refused = await init(["--json", "--yes"]);
  expect(refused.exitCode).toBe(1);
  expect(JSON.parse(refused.stdout).error).toMatchObject({
    code: "migration_refused",
    message: expect.stringContaining("alter table public.people alter column plan set default '';"),
  });
  expect(await readdir(path.join(given.project, "supabase"))).not.toContain("clerk-sync.json");
});

test("the configuration that init wrote stays through upgrades, and on --remove once it was changed", async () => {
  await init(["--yes"]);
  const text = await read("clerk-sync.config.json");
  await writeSource("package.json", '{"name":"clerk-supabase-sync","version":"1.3.0"}');
  await init(["--yes"]);
  expect(await read("clerk-sync.config.json")).toBe(text);
  await write("clerk-sync.config.json", text.replace('"name": "name",', '"full_name": "name",'));
  expect((await init(["--yes", "--remove"])).stdout).toMatch(/^keep +clerk-sync\.config\.json: changed by you$/m);
  expect(await readdir(given.project)).toContain("clerk-sync.config.json");
});
