import { beforeEach, expect, test } from "vitest";
import { createInitProject, type InitProject } from "../../tests/support/processes/init-project.ts";

let given: InitProject;
beforeEach(async () => {
  given = await createInitProject();
});
const init: InitProject["init"] = (...args) => given.init(...args);
const write: InitProject["write"] = (...args) => given.write(...args);
const writeSource: InitProject["writeSource"] = (...args) => given.writeSource(...args);
const read: InitProject["read"] = (...args) => given.read(...args);

test("each conflict is asked about by its name, also with --yes, and one stop stops everything", async () => {
  await write("supabase/functions/hook/index.ts", "// mine\n");
  await write("supabase/config.toml", "functions.hook.verify_jwt = true\n");
  const refused = await init(["--yes"], { answers: ["overwrite", "stop"] });
  expect(refused.asked).toEqual([
    "supabase/functions/hook/index.ts was there before, not ours.",
    "supabase/config.toml is not as it must be: [functions.hook] verify_jwt must be false (line 1).",
  ]);
  expect(refused.exitCode).toBe(1);
  expect(await read("supabase/functions/hook/index.ts")).toBe("// mine\n");

  expect((await init(["--yes"], { answers: ["overwrite", "overwrite"] })).exitCode).toBe(0);
  expect(await read("supabase/functions/hook/index.ts")).toBe("// hook\n");
  expect(await read("supabase/config.toml")).toBe("functions.hook.verify_jwt = false\n");
});

test("--overwrite allows the paths it names and no others; plain it allows all", async () => {
  await write("supabase/functions/hook/index.ts", "// mine\n");
  await write("supabase/config.toml", "functions.hook.verify_jwt = true\n");
  const partly = await init(["--yes", "--overwrite", "supabase/functions/hook"]);
  expect(partly).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/^Nothing was changed: supabase\/config\.toml is/),
  });
  expect(await read("supabase/functions/hook/index.ts")).toBe("// mine\n");
  const both = ["--overwrite", "supabase/functions/hook", "--overwrite", "supabase/config.toml"];
  expect((await init(["--dry-run", ...both])).exitCode).toBe(0);
  expect((await init(["--overwrite", "--yes"])).exitCode).toBe(0);
});

test("what the user keeps is left alone from then on, and named, until --overwrite names it", async () => {
  await init(["--yes"]);
  const file = "supabase/functions/hook/index.ts";
  await write(file, "// mine\n");
  await writeSource("templates/github/deploy.yml", "on: push\n");
  const refused = await init(["--yes", "--github"]);
  expect(refused).toMatchObject({ exitCode: 1 });
  expect(refused.stderr).toBe(
    `Nothing was changed: ${file} was changed by you. See how with git diff; ` +
      `take ours: npx clerk-sync init --github --yes --overwrite ${file}; ` +
      `keep yours: npx clerk-sync init --github --yes --keep ${file}`,
  );
  expect((await init(["--yes", "--github", "--keep", file])).exitCode).toBe(0);
  expect(await read(".github/workflows/deploy.yml")).toBe("on: push\n");

  await writeSource(file, "// hook 2\n");
  await writeSource("templates/github/deploy.yml", "on: [push]\n");
  const upgrade = await init(["--yes", "--overwrite"]);
  expect(upgrade.stdout).toMatch(/^keep +supabase\/functions\/hook\/index\.ts: yours, as you decided/m);
  expect(await read(file)).toBe("// mine\n");
  expect((await init([])).stdout).toMatch(/^keep [\s\S]*Nothing to do/m);
  expect((await init(["--yes", "--overwrite", file])).exitCode).toBe(0);
  expect(await read(file)).toBe("// hook 2\n");
  expect(JSON.parse(await read("supabase/clerk-sync.json"))).toMatchObject({ kept: [] });
});

test("an answer to keep is remembered, Ctrl-C changes nothing", async () => {
  await write("supabase/functions/hook/index.ts", "// mine\n");
  expect(await init(["--yes"], { answers: [] })).toMatchObject({ exitCode: 1, stderr: "Nothing was changed." });
  expect((await init(["--yes"], { answers: ["keep"] })).exitCode).toBe(0);
  expect(await read("supabase/functions/hook/index.ts")).toBe("// mine\n");
  expect(await init([], { answers: [] })).toMatchObject({ exitCode: 0, asked: [] });
});

test("many conflicts are all named, and the commands show how to name each", async () => {
  for (const name of ["a", "b", "c", "d"]) {
    await writeSource(`supabase/functions/hook/${name}.ts`, "// ours\n");
    await write(`supabase/functions/hook/${name}.ts`, "// mine\n");
  }
  const { stderr } = await init(["--yes", "--project", given.project], { folder: given.source });
  expect(stderr).toContain("supabase/functions/hook/d.ts was there before, not ours.");
  expect(stderr).toContain(
    `npx clerk-sync init --project "${given.project}" --yes --keep <path> (repeat it for each path)`,
  );
});

test("many changes are told by their sum, with conflicts by name; --verbose lists them all", async () => {
  for (let count = 1; count <= 13; count += 1) await writeSource(`supabase/functions/hook/${count}.ts`, "// ours\n");
  await write("supabase/functions/hook/1.ts", "// mine\n");
  const { stdout } = await init(["--dry-run"]);
  expect(stdout.split("\n").slice(-3)).toEqual([
    "1 migration, 14 function files, 1 test, 1 section in config.toml, 1 configuration would be added",
    "conflict  supabase/functions/hook/1.ts: there before, not ours",
    "--verbose lists every file.",
  ]);
  expect((await init(["--dry-run", "--verbose"])).stdout).toMatch(/^add +supabase\/functions\/hook\/13\.ts$/m);
});

test("a conflict that only the user can settle is named, and nothing is asked", async () => {
  await write("supabase/config.toml", "functions = { own = { verify_jwt = true } }\n");
  const done = await init([], { answers: [true, true] });
  expect(done).toMatchObject({ exitCode: 1, asked: [] });
  expect(done.stdout).toContain("cannot be added to an inline table");
});
