import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  add,
  failedOnce,
  listFailures,
  nothing,
  type Outcome,
  readMutations,
  readPlaywright,
  readSum,
  readVitest,
} from "./support/project/read-report.ts";

// node tests/run.ts PART: the suites of npm test, test:long or test:soak one after the other, then one line with their sum.
// A list of suites in place of one runs together: the browser's tests wait most of their time, the others do not.
// node tests/run.ts sum PART…: the sum of what parts came to, for .ci/run.
// Before that line come the titles of the tests that failed, for a reader who sees only the end of the output.
// A suite that reports nothing, or ends badly without a failed test, counts as one failure; so does a part without a sum.
type Suite = {
  name: string;
  command: readonly string[];
  read: (report: unknown) => Outcome;
  env?: Record<string, string>;
};

const root = fileURLToPath(new URL("../", import.meta.url));
const results = `${root}.test-results/`;
const soak = { SOAK: "10", SCHEDULES: "100000", BACKFILL_USERS: "100000", BACKFILL_KILLS: "120,40,20" };

const parts: Record<string, readonly (Suite | readonly Suite[])[]> = {
  test: [
    vitest("unit", ["--project=unit"]),
    [vitest("integration", ["--project=integration"]), playwright("browser", "tests/browser/playwright.config.ts")],
    vitest("schedules", ["--project=schedules"], { SCHEDULES: "300" }),
    playwright("e2e", "tests/e2e/playwright.config.ts"),
  ],
  long: [
    vitest("integration-long", ["--project=integration-long"]),
    vitest("schedules-long", ["--project=schedules"], { SCHEDULES: "700" }),
    playwright("e2e-deno", "tests/e2e/deno.config.ts"),
    mutations({ MUTATIONS: "30" }),
  ],
  soak: [
    mutations({}),
    vitest("schedules-soak", ["--project=schedules"], soak),
    vitest(
      "integration-soak",
      [
        "--project=integration-long",
        "load",
        "crashes",
        "outages",
        "backfill-process",
        "random-tables",
        "organizations/large",
      ],
      soak,
    ),
  ],
};

await mkdir(results, { recursive: true });
const [part = "", ...rest] = process.argv.slice(2);
const total = part === "sum" ? await readSums(rest) : await runPart(part);
if (total.skipped > 0) console.log(`\n${total.skipped} skipped; the output above says what they need`);
if (total.failures.length > 0) {
  console.log(["\nThese tests failed:", ...listFailures(total.failures)].join("\n  "));
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

function vitest(name: string, args: readonly string[], env: Record<string, string> = {}): Suite {
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}${name}.json`];
  return { name, command: ["vitest", "run", ...args, ...reporters], read: (report) => readVitest(report, root), env };
}

function mutations(env: Record<string, string>): Suite {
  return { name: "mutations", command: ["node", "tests/mutations.ts"], read: readMutations, env };
}

/** Its configuration names the report. */
function playwright(name: string, config: string): Suite {
  return { name, command: ["playwright", "test", "--config", config], read: readPlaywright };
}

async function runPart(name: string): Promise<Outcome> {
  const suites = parts[name];
  if (suites === undefined) throw new Error(`There is no part ${name}; there are ${Object.keys(parts).join(", ")}`);
  await rm(sumFile(name), { force: true });
  let sum = nothing;
  for (const step of suites) {
    const outcomes = await Promise.all([step].flat().map(runSuite));
    sum = outcomes.reduce(add, sum);
  }
  await writeFile(sumFile(name), JSON.stringify(sum));
  return sum;
}

/** Suites that run together print when they have ended, the first of them as it runs. */
async function runSuite({ name, command, read, env }: Suite, place: number): Promise<Outcome> {
  const file = `${results}${name}.json`;
  await rm(file, { force: true });
  const [program = "", ...args] = command;
  const child = spawn(`${root}node_modules/.bin/${program}`, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", ...(place === 0 ? (["inherit", "inherit"] as const) : (["pipe", "pipe"] as const))],
  });
  const title = `\n=== ${name}\n`;
  const output: Buffer[] = [];
  if (place === 0) process.stdout.write(title);
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (part: Buffer) => output.push(part));
  const [code] = await once(child, "close");
  if (place > 0) process.stdout.write(title + Buffer.concat(output).toString());
  const outcome = await readFile(file, "utf8").then(
    (text) => read(JSON.parse(text)),
    () => failedOnce("no report"),
  );
  const isBad = code !== 0 && outcome.failed === 0;
  const whole = isBad ? add(outcome, failedOnce(`ended with ${code} although no test failed`)) : outcome;
  return { ...whole, failures: whole.failures.map((line) => `${name}: ${line}`) };
}

function sumFile(name: string): string {
  return `${results}sum-of-${name}.json`;
}

async function readSums(names: readonly string[]): Promise<Outcome> {
  const sums = names.map((name) =>
    readFile(sumFile(name), "utf8").then(
      (text) => readSum(JSON.parse(text)),
      () => failedOnce(`${name}: the part ended before its sum`),
    ),
  );
  return (await Promise.all(sums)).reduce(add, nothing);
}
