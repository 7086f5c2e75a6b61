import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import {
  listFailures,
  type Outcome,
  readMutations,
  readPlaywright,
  readSum,
  readVitest,
} from "../support/project/read-report.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Runs a test program on these files, in a folder that sees node_modules; its JSON report. */
async function run(command: readonly string[], files: Record<string, string>) {
  await mkdir(path.join(root, ".test-results"), { recursive: true });
  const folder = await mkdtemp(path.join(root, ".test-results", "reports-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  const [program = "", ...args] = command;
  const child = spawn(path.join(root, "node_modules/.bin", program), args, { cwd: folder, stdio: "ignore" });
  await once(child, "close");
  return { folder, report: JSON.parse(await readFile(path.join(folder, "report.json"), "utf8")) };
}

async function runVitest(text: string): Promise<Outcome> {
  const source = `import { afterAll, beforeAll, describe, expect, it } from "vitest";\n${text}`;
  const command = ["vitest", "run", "--root=.", "--reporter=json", "--outputFile=report.json"];
  const { folder, report } = await run(command, { "some.test.ts": source, "vitest.config.ts": "export default {};" });
  return readVitest(report, folder);
}

async function runPlaywright(text: string): Promise<Outcome> {
  const config =
    'export default { workers: 1, outputDir: "out", reporter: [["json", { outputFile: "report.json" }]] };';
  const source = `import { test } from "@playwright/test";\n${text}`;
  const files = { "some.spec.ts": source, "playwright.config.ts": config };
  return readPlaywright((await run(["playwright", "test"], files)).report);
}

const fail = '() => { throw new Error("on purpose"); }';
const two = 'it("a", () => undefined); it("b", () => undefined);';

it.each<[string, string, Outcome]>([
  [
    "passes, fails and skips is told apart",
    `${two} it("c", ${fail}); it.skip("d");`,
    { passed: 2, failed: 1, skipped: 1, failures: ["some.test.ts > c"] },
  ],
  [
    "has a failed beforeAll has failed with all its tests",
    `beforeAll(${fail}); ${two}`,
    { passed: 0, failed: 2, skipped: 0, failures: ["some.test.ts > a > on purpose", "some.test.ts > b > on purpose"] },
  ],
  [
    "has a failed beforeAll in a group has failed with the tests of that group",
    `${two} describe("group", () => { beforeAll(${fail}); it("c", () => undefined); });`,
    { passed: 2, failed: 1, skipped: 0, failures: ["some.test.ts > group > c"] },
  ],
  [
    "has a failed afterAll has failed once",
    `afterAll(${fail}); ${two}`,
    { passed: 2, failed: 1, skipped: 0, failures: ["some.test.ts > on purpose"] },
  ],
  [
    "cannot be loaded has failed once",
    `import "./nowhere.ts"; ${two}`,
    {
      passed: 0,
      failed: 1,
      skipped: 0,
      failures: [expect.stringContaining("some.test.ts > Cannot find module './nowhere.ts'")],
    },
  ],
])("a file of vitest that %s", async (_, text, outcome) => {
  expect(await runVitest(text)).toEqual(outcome);
});

const twoSpecs = two.replaceAll("it(", "test(");

it.each<[string, string, Outcome]>([
  [
    "passes, fails and skips is told apart",
    `${twoSpecs} test("c", ${fail}); test.skip("d", () => undefined);`,
    { passed: 2, failed: 1, skipped: 1, failures: ["some.spec.ts > c"] },
  ],
  [
    "has a failed beforeAll has failed with all its tests",
    `test.beforeAll(${fail}); ${twoSpecs}`,
    { passed: 0, failed: 2, skipped: 0, failures: ["some.spec.ts > a", "some.spec.ts > b"] },
  ],
  // Playwright then says "No tests found" as well.
  [
    "cannot be loaded has failed",
    `import "./nowhere.ts"; ${twoSpecs}`,
    { passed: 0, failed: 2, skipped: 0, failures: [expect.stringContaining("nowhere.ts"), "Error: No tests found"] },
  ],
])("a file of Playwright that %s", async (_, text, outcome) => {
  expect(await runPlaywright(text)).toEqual(outcome);
});

it("the report of the mutations names those that no test caught", () => {
  const report = { passed: 3, failed: 1, failures: ["a deletion is not final"] };
  expect(readMutations(report)).toEqual({ ...report, skipped: 0 });
});

it("the sum of a part is read as it was written", () => {
  const sum = { passed: 3, failed: 1, skipped: 2, failures: ["unit: some.test.ts > c"] };
  expect(readSum(JSON.parse(JSON.stringify(sum)))).toEqual(sum);
});

it("no more than thirty failures are listed", () => {
  const lines = Array.from({ length: 32 }, (_, index) => `test ${index}`);
  expect(listFailures(lines)).toEqual([...lines.slice(0, 30), "and 2 more"]);
  expect(listFailures(lines.slice(0, 30))).toEqual(lines.slice(0, 30));
});
