import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { writeMigration } from "../build/migration.ts";
import { sharedPostgres, startTestPostgres } from "./support/database/start-postgres.ts";
import { allMutations } from "./support/mutations/all-mutations.ts";
import { applyEdit, type Mutation } from "./support/mutations/mutations.ts";

type Lane = { copy: string; postgresUrl: string };
type Run = { failed: boolean; passed: boolean; ranNoTest: boolean; ranOutOfTime: boolean; milliseconds: number };
type Report = {
  numFailedTests: number;
  numPassedTests: number;
  testResults: { assertionResults: { duration?: number | null; failureMessages?: string[] | null }[] }[];
};

// Takes each fix and each law out of a copy of the project and expects its test to fail there.
// `npm run test:mutations -- WORD` runs only those whose title holds the word. MUTATIONS says how many of them run, SEED which.
const root = fileURLToPath(new URL("../", import.meta.url));
const folder = path.join(root, ".test-results", "mutations");
/** Each run waits more than it computes; two at a time, each with its own copy and PostgreSQL, keep two cores busy. */
const copies = ["a", "b"].map((name) => path.join(folder, name));
/**
 * A test that waits for ever without the fix need not wait for its own limit of ten minutes. That it ran out of this
 * shorter one counts only when the same test without the edits needs less than a third of it.
 */
const hangMilliseconds = 9000;
/** Where it needs more than that third. */
const longHangMilliseconds = 60_000;
const copied = [
  "package.json",
  "tsconfig.json",
  "clerk-sync.config.json",
  "vitest.config.ts",
  "build",
  "supabase",
  "server",
  "local",
  "mapping",
  "templates",
  "cli",
  "tests",
];

await rm(folder, { recursive: true, force: true });
for (const copy of copies) await makeCopy(copy);

const word = process.argv[2] ?? "";
const chosen = draw(allMutations.filter((mutation) => mutation.title.includes(word)));
const failures: string[] = [];
let passed = 0;
const waiting = [...chosen];
await Promise.all(copies.map(breakOneByOne));
await rm(folder, { recursive: true, force: true });
await writeFile(
  path.join(root, ".test-results", "mutations.json"),
  JSON.stringify({ passed, failed: failures.length, failures }),
);
console.log(`\n${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 && passed > 0 ? 0 : 1;

/** As many as MUTATIONS says, in another order each time; all of them without it. */
function draw(mutations: readonly Mutation[]): readonly Mutation[] {
  const wanted = Math.min(Number(process.env["MUTATIONS"] ?? mutations.length), mutations.length);
  if (wanted === mutations.length) return mutations;
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${wanted} of ${mutations.length} mutations, drawn with SEED=${seed}`);
  const some = fc.shuffledSubarray([...mutations], { minLength: wanted, maxLength: wanted });
  return fc.sample(some, { seed, numRuns: 1 })[0] ?? [];
}

async function makeCopy(copy: string): Promise<void> {
  await mkdir(copy, { recursive: true });
  for (const name of copied) await cp(path.join(root, name), path.join(copy, name), { recursive: true });
  await symlink(path.join(root, "node_modules"), path.join(copy, "node_modules"));
}

async function breakOneByOne(copy: string): Promise<void> {
  const postgres = await startTestPostgres();
  try {
    for (let mutation = waiting.shift(); mutation !== undefined; mutation = waiting.shift()) {
      const start = performance.now();
      const isCaught = await breakAndTest({ copy, postgresUrl: postgres.url }, mutation);
      if (isCaught) passed += 1;
      else failures.push(mutation.title);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`${isCaught ? "✓ caught" : "✗ NOT CAUGHT"} in ${seconds} s: ${mutation.title}`);
    }
  } finally {
    await postgres.stop();
  }
}

async function breakAndTest(lane: Lane, mutation: Mutation): Promise<boolean> {
  const restore = await breakFiles(lane.copy, mutation);
  const broken = await runTest(lane, mutation, hangMilliseconds);
  if (broken.ranNoTest) console.log(`No test ran: ${mutation.test} has none of this title, or does not load.`);
  if (!broken.ranOutOfTime) {
    await restore();
    return broken.failed;
  }
  await restore();
  const whole = await runTest(lane, mutation, hangMilliseconds);
  if (whole.passed && whole.milliseconds < hangMilliseconds / 3) return true;
  const restoreAgain = await breakFiles(lane.copy, mutation);
  const { failed } = await runTest(lane, mutation, longHangMilliseconds);
  await restoreAgain();
  return failed;
}

/** Makes the edits; what is returned takes them back. */
async function breakFiles(copy: string, { edits }: Mutation): Promise<() => Promise<void>> {
  const originals = new Map<string, string>();
  for (const edit of edits) {
    const target = path.join(copy, edit.file);
    const text = await readFile(target, "utf8");
    if (!originals.has(target)) originals.set(target, text);
    await writeFile(target, applyEdit(text, edit));
  }
  const changesSchema = edits.some(({ file }) => file.startsWith("supabase/schemas/"));
  if (changesSchema) await writeMigration(copy);
  return async () => {
    for (const [target, text] of originals) await writeFile(target, text);
    if (changesSchema) await writeMigration(copy);
  };
}

/** Runs the one test within a limit; a run that tests nothing neither passes nor fails. */
async function runTest(lane: Lane, { test, title }: Mutation, limit: number): Promise<Run> {
  const report = path.join(lane.copy, "report.json");
  await rm(report, { force: true });
  const program = path.join(root, "node_modules", ".bin", "vitest");
  const pattern = `^${title.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;
  const args = ["run", test, "-t", pattern, "--reporter=json", `--outputFile=${report}`];
  const env = { ...process.env, [sharedPostgres]: lane.postgresUrl };
  const child = spawn(program, [...args, `--testTimeout=${limit}`], { cwd: lane.copy, stdio: "ignore", env });
  await once(child, "close");
  return readRun(JSON.parse(await readFile(report, "utf8")));
}

function readRun({ numFailedTests, numPassedTests, testResults }: Report): Run {
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  return {
    failed: numFailedTests >= 1 && numPassedTests === 0,
    passed: numPassedTests >= 1 && numFailedTests === 0,
    ranNoTest: numFailedTests + numPassedTests === 0,
    ranOutOfTime: tests.some(({ failureMessages }) => failureMessages?.some((text) => /timed out in \d+ms/.test(text))),
    milliseconds: Math.max(0, ...tests.map(({ duration }) => duration ?? 0)),
  };
}
