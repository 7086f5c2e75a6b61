import { mkdir, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createTestFolder } from "../../tests/support/test-folder.ts";
import { main } from "../main.ts";

let project: string;
let source: string;
beforeEach(async () => {
  const folder = await createTestFolder();
  onTestFinished(folder.remove);
  project = path.join(await realpath(folder.path), "project");
  source = path.join(folder.path, "package");
  await write(project, "supabase/config.toml", 'project_id = "own"\n');
  await writeSource("package.json", '{"name":"clerk-supabase-sync","version":"1.2.3"}');
  await writeSource("supabase/config.toml", "[functions.hook]\nverify_jwt = false\n");
  await writeSource("supabase/functions/hook/index.ts", "// hook\n");
  await writeSource("supabase/functions/hook/index.test.ts", "// not installed\n");
  await writeSource("supabase/functions/hook/.env", "NOT=installed\n");
  await writeSource("supabase/functions/_shared/clerk-sync/core.ts", "// core\n");
  await writeSource("supabase/migrations/20261124000001_schema.sql", "select 1;\n");
  await writeSource("supabase/tests/01_rights_test.sql", "select 2;\n");
});

async function write(root: string, file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.join(root, file)), { recursive: true });
  await writeFile(path.join(root, file), text);
}

const writeSource = (file: string, text: string) => write(source, file, text);
const read = (file: string) => readFile(path.join(project, file), "utf8");

/** Runs the command; `answers` are what the user says, one after the other. */
async function init(args: string[], { answers, folder = project }: { answers?: boolean[]; folder?: string } = {}) {
  const [stdout, stderr, asked]: [string[], string[], string[]] = [[], [], []];
  const confirm = async (question: string) => {
    asked.push(question);
    return answers?.[asked.length - 1] ?? false;
  };
  const exitCode = await main(["init", ...args], {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    confirm: answers === undefined ? null : confirm,
    findPackageRoot: () => source,
    clock: { now: () => Date.UTC(2027, 0, 1), sleep: async () => undefined },
    folder,
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n"), asked };
}

test("what is installed: migrations, functions, their core, tests, sections, and the manifest", async () => {
  expect((await init(["--yes"])).exitCode).toBe(0);
  expect(
    (await readdir(path.join(project, "supabase"), { recursive: true })).filter((file) => file.includes(".")),
  ).toEqual(
    expect.arrayContaining([
      "clerk-sync.json",
      "migrations/20270101000000_clerk_sync_schema.sql",
      "functions/hook/index.ts",
      "functions/_shared/clerk-sync/core.ts",
      "tests/clerk_sync_01_rights_test.sql",
    ]),
  );
  expect(await readdir(path.join(project, "supabase/functions/hook"))).toEqual(["index.ts"]);
  expect(await read("supabase/config.toml")).toMatch(
    /^project_id = "own"\n\n# From .*\n\[functions\.hook\]\nverify_jwt = false\n$/,
  );
});

test("it asks once, and a no changes nothing", async () => {
  const refused = await init([], { answers: [false] });
  expect(refused).toMatchObject({ exitCode: 1, stderr: "Nothing was changed." });
  expect(refused.asked).toEqual([`Install clerk-supabase-sync 1.2.3 into ${project}?`]);
  expect(await readdir(path.join(project, "supabase"))).toEqual(["config.toml"]);
  expect(await init([], { answers: [true] })).toMatchObject({ exitCode: 0 });
});

test("each conflict is asked about by its name, also with --yes, and one no stops everything", async () => {
  await write(project, "supabase/functions/hook/index.ts", "// mine\n");
  await write(project, "supabase/config.toml", "functions.hook.verify_jwt = true\n");
  const refused = await init(["--yes"], { answers: [true, false] });
  expect(refused.asked).toEqual([
    "Overwrite supabase/functions/hook/index.ts? What is there now is lost.",
    "Overwrite supabase/config.toml? What is there now is lost.",
  ]);
  expect(refused.exitCode).toBe(1);
  expect(await read("supabase/functions/hook/index.ts")).toBe("// mine\n");

  expect((await init(["--yes"], { answers: [true, true] })).exitCode).toBe(0);
  expect(await read("supabase/functions/hook/index.ts")).toBe("// hook\n");
  expect(await read("supabase/config.toml")).toBe("functions.hook.verify_jwt = false\n");
});

test("--overwrite allows the paths it names and no others; plain it allows all", async () => {
  await write(project, "supabase/functions/hook/index.ts", "// mine\n");
  await write(project, "supabase/config.toml", "functions.hook.verify_jwt = true\n");
  const partly = await init(["--yes", "--overwrite", "supabase/functions/hook"]);
  expect(partly).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("because of supabase/config.toml.") });
  expect(await read("supabase/functions/hook/index.ts")).toBe("// mine\n");
  const both = ["--overwrite", "supabase/functions/hook", "--overwrite", "supabase/config.toml"];
  expect((await init(["--dry-run", ...both])).exitCode).toBe(0);
  expect((await init(["--overwrite", "--yes"])).exitCode).toBe(0);
});

test("a conflict that only the user can settle is named, and nothing is asked", async () => {
  await write(project, "supabase/config.toml", "functions = { own = { verify_jwt = true } }\n");
  const done = await init([], { answers: [true, true] });
  expect(done).toMatchObject({ exitCode: 1, asked: [] });
  expect(done.stdout).toContain("cannot be added to an inline table");
});

test("--dry-run prints the plan and changes nothing", async () => {
  const done = await init(["--dry-run"], { answers: [] });
  expect(done).toMatchObject({ exitCode: 0, asked: [] });
  expect(done.stdout).toMatch(/^add +supabase\/functions\/hook\/index\.ts$/m);
  expect(await readdir(path.join(project, "supabase"))).toEqual(["config.toml"]);
});

test("--json prints one object and asks nothing", async () => {
  const waiting = await init(["--json"], { answers: [true] });
  expect(waiting).toMatchObject({ exitCode: 1, stderr: "", asked: [] });
  expect(JSON.parse(waiting.stdout)).toMatchObject({ project, outcome: "needs_yes", written: [] });
  const done = JSON.parse((await init(["--json", "--yes"])).stdout);
  expect(done).toMatchObject({ outcome: "done", removed: [] });
  expect(done.changes).toContainEqual({ path: "supabase/config.toml", section: "hook", state: "add" });
  expect(done.changes).toContainEqual({ path: "supabase/clerk-sync.json", state: "add" });
  expect(done.written.at(-1)).toBe("supabase/clerk-sync.json");
});

test("an upgrade replaces what was not touched, removes what is gone, and asks for the steps it needs only", async () => {
  await init(["--yes"]);
  await rm(path.join(source, "supabase/functions/_shared/clerk-sync/core.ts"));
  await writeSource("supabase/functions/_shared/clerk-sync/renamed.ts", "// core\n");
  await writeSource("package.json", '{"name":"clerk-supabase-sync","version":"1.3.0"}');
  await writeSource("supabase/functions/hook/index.ts", "// hook 2\n");
  const done = await init(["--yes"]);
  expect(done.stdout).toMatch(/^update +supabase\/functions\/hook\/index\.ts$/m);
  expect(await readdir(path.join(project, "supabase/functions/_shared/clerk-sync"))).toEqual(["renamed.ts"]);
  expect(done.stdout).toContain("functions deploy hook");
  expect(done.stdout).not.toMatch(/db push|Add Endpoint|vault/);
  expect(JSON.parse(await read("supabase/clerk-sync.json"))).toMatchObject({ version: "1.3.0" });
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
  expect(await readdir(project)).toEqual(["supabase"]);
});

test("it works from inside supabase/, and a linked project's URL is in the steps", async () => {
  await write(project, "supabase/.temp/project-ref", "abcdefghijklmnopqrst\n");
  const done = await init(["--yes"], { folder: path.join(project, "supabase") });
  expect(done.stdout).toContain("https://abcdefghijklmnopqrst.supabase.co/functions/v1/clerk-webhook");
  expect(done.stdout).not.toContain("supabase link");
});

test("a section of the owner's stays on --remove, and is named", async () => {
  await write(project, "supabase/config.toml", "[functions.hook]\nverify_jwt = false\n");
  await init(["--yes"]);
  const done = await init(["--yes", "--remove"]);
  expect(done.stdout).toMatch(/^keep +supabase\/config\.toml \[functions\.hook\]: it was there before$/m);
  expect((await init(["--remove"])).stdout).toContain("Nothing to do: clerk-supabase-sync is not in");
});

test("a project that changes while the question is open is not written to", async () => {
  const notes: string[] = [];
  const confirm = async () => {
    await write(project, "supabase/config.toml", "changed = true\n");
    return true;
  };
  const io = { print: () => undefined, note: (line: string) => void notes.push(line), confirm, folder: project };
  expect(await main(["init"], { ...io, findPackageRoot: () => source })).toBe(1);
  expect(notes.join()).toContain("changed in the meantime");
  expect(await readdir(path.join(project, "supabase"))).toEqual(["config.toml"]);
});

test.each([
  [["--migrations"], 2, "--migrations goes with --remove"],
  [["--remove", "--overwrite"], 2, "do not fit"],
  [["--overwrite", "nowhere"], 2, "nothing is installed there"],
  [["--project", "nowhere"], 1, "error project_not_found: There is no supabase/config.toml"],
  [["--github"], 1, "error package_incomplete:"],
])("%j ends with %i: %s", async (args, exitCode, message) => {
  expect(await init(args)).toMatchObject({ exitCode, stderr: expect.stringContaining(message) });
});

test.each([
  ["supabase/config.toml", "a = \n", "project_invalid: supabase/config.toml cannot be read"],
  ["supabase/clerk-sync.json", "{}", "project_invalid: supabase/clerk-sync.json cannot be read"],
  ["supabase/functions/hook/index.ts/mine.ts", "", "path_unusable: supabase/functions/hook/index.ts cannot be used"],
])("%s with %j is refused before anything is written", async (file, text, message) => {
  await write(project, file, text);
  expect(await init(["--yes"])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(message) });
  expect(await readdir(path.join(project, "supabase"))).not.toContain("migrations");
});

test("a functions folder that leads out of the project is refused", async () => {
  await mkdir(path.join(project, "../elsewhere"));
  await symlink("../../elsewhere", path.join(project, "supabase/functions"));
  expect(await init(["--yes"])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("path_unusable") });
  expect(await readdir(path.join(project, "../elsewhere"))).toEqual([]);
});
