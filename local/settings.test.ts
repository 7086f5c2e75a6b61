import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createTestFolder } from "../tests/support/processes/test-folder.ts";
import { ignoreFolder } from "./settings.ts";

test("git add takes nothing of the local server's folder", async () => {
  const project = await createTestFolder();
  onTestFinished(project.remove);
  const folder = path.join(project.path, ".clerk-sync");
  await mkdir(folder);
  await writeFile(path.join(folder, "local.json"), "{}");
  const git = (...args: string[]) => execFileSync("git", args, { cwd: project.path, encoding: "utf8" });
  git("init", "--quiet");
  expect(git("add", "--dry-run", "--all")).toContain("local.json");
  await ignoreFolder(folder);
  expect(git("add", "--dry-run", "--all")).toBe("");
});

test("a folder that cannot be written to is a clear error", async () => {
  await expect(ignoreFolder("/dev/null/.clerk-sync")).rejects.toMatchObject({ code: "data_folder_unusable" });
});
