import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestFolder } from "../tests/support/processes/test-folder.ts";
import { readResults, storedFolder, writeResult } from "./results.ts";

let folder: Awaited<ReturnType<typeof createTestFolder>>;
beforeAll(async () => {
  folder = await createTestFolder();
});
afterAll(() => folder.remove());

test("the stored results can be read, and again after they were written elsewhere", async () => {
  const stored = await readResults(storedFolder);
  expect(stored.map(({ scenario }) => scenario)).toContain("history");
  const elsewhere = path.join(folder.path, "fresh");
  for (const result of stored) await writeResult(result, elsewhere);
  expect(await readResults(elsewhere)).toEqual(stored);
});

test("a folder without results says how to make some", async () => {
  await expect(readResults(path.join(folder.path, "none"))).rejects.toThrow("npm run bench -- --out");
});

test("a file of another format is named", async () => {
  const other = path.join(folder.path, "other");
  await mkdir(other);
  await writeFile(path.join(other, "a.json"), '{"scenario": "a"}');
  await expect(readResults(other)).rejects.toMatchObject({
    code: "usage_invalid",
    message: expect.stringContaining("a.json"),
  });
});
