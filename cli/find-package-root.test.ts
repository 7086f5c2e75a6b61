import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createTestFolder } from "../tests/support/processes/test-folder.ts";
import { findPackageRoot } from "./find-package-root.ts";

test("from the source it is the repository", () => {
  expect(existsSync(path.join(findPackageRoot(), "supabase/config.toml"))).toBe(true);
});

test("from a build it is the folder of the nearest package.json of our name", async () => {
  const folder = await createTestFolder();
  onTestFinished(folder.remove);
  await mkdir(path.join(folder.path, "dist/cli"), { recursive: true });
  await writeFile(path.join(folder.path, "package.json"), '{"name":"clerk-supabase-sync"}');
  await writeFile(path.join(folder.path, "dist/package.json"), '{"name":"other"}');
  expect(findPackageRoot(path.join(folder.path, "dist/cli/main.js"))).toBe(folder.path);
});

test("where there is none it says so", () => {
  expect(() => findPackageRoot("/nowhere/cli/main.js")).toThrow("No package.json of clerk-supabase-sync above");
});
