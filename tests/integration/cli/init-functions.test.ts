import { execFile } from "node:child_process";
import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { createTestFolder } from "../../support/processes/test-folder.ts";
import { startManagementApi } from "../../support/supabase/management-api.ts";
import { createSupabaseProject } from "../../support/supabase/supabase-project.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const run = promisify(execFile);
const functions = (await readdir(path.join(root, "supabase/functions"))).filter((name) => !name.startsWith("_"));

/** Type checks the functions in a folder as Deno sees them there; the packages they import are this repository's. */
async function checkFunctions(folder: string): Promise<void> {
  await writeFile(path.join(folder, "package.json"), "{}");
  await symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  for (const name of functions) {
    const entry = path.join(folder, "supabase/functions", name);
    const args = [
      "check",
      "--quiet",
      "--node-modules-dir=manual",
      "--config",
      `${entry}/deno.json`,
      `${entry}/index.ts`,
    ];
    const env = { PATH: process.env["PATH"], DENO_DIR: path.join(root, ".test-results/deno") };
    await run(path.join(root, "node_modules/.bin/deno"), args, { cwd: folder, env });
  }
  await rm(path.join(folder, "node_modules"));
}

it("the installed functions pass deno check in the foreign project", async () => {
  const project = await createSupabaseProject();
  await project.init("--yes");
  await checkFunctions(project.path);
});

it("supabase functions deploy uploads all that they need, with verify_jwt off, and the owner's as it was", async () => {
  const [project, api, uploaded] = [
    await createSupabaseProject(),
    await startManagementApi(),
    await createTestFolder(),
  ];
  onTestFinished(api.stop);
  onTestFinished(uploaded.remove);
  await project.init("--yes");
  await project.write("profile.yaml", api.profile);
  const profile = path.join(project.path, "profile.yaml");
  await project.supabase(
    "--profile",
    profile,
    "functions",
    "deploy",
    "--use-api",
    `--remote=${"a".repeat(20)}`,
    "--yes",
  );
  expect([...api.deployments.keys()].sort()).toEqual([...functions, "own"].sort());
  for (const [name, { settings, files }] of api.deployments) {
    expect(settings, name).toMatchObject({ verify_jwt: name === "own" });
    for (const [file, text] of files) {
      await mkdir(path.dirname(path.join(uploaded.path, file)), { recursive: true });
      await writeFile(path.join(uploaded.path, file), text);
    }
  }
  await checkFunctions(uploaded.path);
});
