import { mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createTestFolder } from "../../tests/support/processes/test-folder.ts";
import { applyPlan } from "./apply-plan.ts";

const empty = { files: [], sections: [], writes: [], deletes: [], folders: [] };

async function createFolder(): Promise<string> {
  const folder = await createTestFolder();
  onTestFinished(folder.remove);
  return folder.path;
}

test("a write that the disk refuses is reported with what was written before", async () => {
  const folder = await createFolder();
  const writes = [
    { path: "a/b.ts", content: "" },
    { path: "a/b.ts/c.ts", content: "" },
  ];
  await expect(applyPlan(folder, { ...empty, writes })).rejects.toMatchObject({
    code: "install_incomplete",
    message: expect.stringContaining("Changed before: a/b.ts."),
  });
});

test("folders go when they are empty, and stay when something else is in them", async () => {
  const folder = await createFolder();
  for (const name of ["own", "ours/deep"]) await mkdir(path.join(folder, name), { recursive: true });
  await writeFile(path.join(folder, "own/file"), "");
  await writeFile(path.join(folder, "ours/deep/file"), "");
  const plan = { ...empty, deletes: ["ours/deep/file"], folders: ["ours/deep", "ours", "own", "missing"] };
  expect(await applyPlan(folder, plan)).toEqual({ written: [], removed: ["ours/deep/file"] });
  expect(await readdir(folder)).toEqual(["own"]);
});
