import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { allMutations } from "./support/all-mutations.ts";
import type { Mutation } from "./support/mutations.ts";

// Takes each fix and each law out of a copy of the project and expects its test to fail there.
// `npm run test:mutations -- WORD` runs only those whose title holds the word.
const root = fileURLToPath(new URL("../", import.meta.url));
const folder = path.join(root, ".test-results", "mutations");
/** Each run waits more than it computes; two at a time, each in a copy of its own, keep two cores busy. */
const copies = ["a", "b"].map((name) => path.join(folder, name));
const copied = ["package.json", "vitest.config.ts", "supabase", "server", "cli", "tests"];

await rm(folder, { recursive: true, force: true });
for (const copy of copies) await makeCopy(copy);

const word = process.argv[2] ?? "";
const chosen = allMutations.filter((mutation) => mutation.title.includes(word));
const count = { passed: 0, failed: 0 };
const waiting = [...chosen];
await Promise.all(copies.map(breakOneByOne));
await rm(folder, { recursive: true, force: true });
await writeFile(path.join(root, ".test-results", "mutations.json"), JSON.stringify(count));
console.log(`\n${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed === 0 && count.passed > 0 ? 0 : 1;

async function makeCopy(copy: string): Promise<void> {
  await mkdir(copy, { recursive: true });
  for (const name of copied) await cp(path.join(root, name), path.join(copy, name), { recursive: true });
  await symlink(path.join(root, "node_modules"), path.join(copy, "node_modules"));
}

async function breakOneByOne(copy: string): Promise<void> {
  for (let mutation = waiting.shift(); mutation !== undefined; mutation = waiting.shift()) {
    const isCaught = await breakAndTest(copy, mutation);
    count[isCaught ? "passed" : "failed"] += 1;
    console.log(`${isCaught ? "✓ caught" : "✗ NOT CAUGHT"}: ${mutation.title}`);
  }
}

async function breakAndTest(copy: string, { test, title, edits }: Mutation): Promise<boolean> {
  const originals = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const target = path.join(copy, file);
    const text = await readFile(target, "utf8");
    if (!text.includes(find))
      throw new Error(`${file} no longer holds the text that the mutation of "${title}" replaces: ${find}`);
    if (!originals.has(target)) originals.set(target, text);
    await writeFile(target, text.replaceAll(find, replace));
  }
  const failed = await testFails(copy, test, title);
  for (const [target, text] of originals) await writeFile(target, text);
  return failed;
}

/** True when the test ran and failed; a run that tests nothing catches nothing. */
async function testFails(copy: string, test: string, title: string): Promise<boolean> {
  const report = path.join(copy, "report.json");
  await rm(report, { force: true });
  const program = path.join(root, "node_modules", ".bin", "vitest");
  const pattern = `^${title.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;
  const args = ["run", test, "-t", pattern, "--reporter=json", `--outputFile=${report}`];
  const child = spawn(program, args, { cwd: copy, stdio: "ignore" });
  await once(child, "close");
  const { numFailedTests, numPassedTests } = JSON.parse(await readFile(report, "utf8"));
  return numFailedTests >= 1 && numPassedTests === 0;
}
