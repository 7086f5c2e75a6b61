import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

// npm test: every suite one after the other, then one line with the sum. A suite that reports nothing,
// or ends badly without a failed test, counts as one failure.
type Count = { passed: number; failed: number; skipped: number };

const root = fileURLToPath(new URL("../", import.meta.url));
const results = `${root}.test-results/`;

const suites = [
  { name: "unit", command: ["vitest", "run", "--project", "unit", ...vitestReporters("unit")], read: readVitest },
  {
    name: "integration",
    command: ["vitest", "run", "--project", "integration", ...vitestReporters("integration")],
    read: readVitest,
  },
  {
    name: "schedules",
    command: ["vitest", "run", "--project", "schedules", ...vitestReporters("schedules")],
    read: readVitest,
  },
  { name: "e2e", command: ["playwright", "test", "--config", "tests/e2e/playwright.config.ts"], read: readPlaywright },
  { name: "e2e-deno", command: ["playwright", "test", "--config", "tests/e2e/deno.config.ts"], read: readPlaywright },
  {
    name: "browser",
    command: ["playwright", "test", "--config", "tests/browser/playwright.config.ts"],
    read: readPlaywright,
  },
  { name: "mutations", command: ["node", "tests/mutations.ts"], read: readMutations },
];

await mkdir(results, { recursive: true });
const total: Count = { passed: 0, failed: 0, skipped: 0 };
for (const suite of suites) {
  console.log(`\n=== ${suite.name}`);
  const count = await runSuite(suite);
  total.passed += count.passed;
  total.failed += count.failed;
  total.skipped += count.skipped;
}
if (total.skipped > 0) console.log(`\n${total.skipped} skipped; the output above says what they need`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

function vitestReporters(name: string): string[] {
  return ["--reporter=default", "--reporter=json", `--outputFile.json=${results}${name}.json`];
}

async function runSuite({ name, command, read }: (typeof suites)[number]): Promise<Count> {
  const file = `${results}${name}.json`;
  await rm(file, { force: true });
  const [program = "", ...args] = command;
  const child = spawn(`${root}node_modules/.bin/${program}`, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = await once(child, "close");
  const count = await readFile(file, "utf8").then(
    (text) => read(JSON.parse(text)),
    () => ({ passed: 0, failed: 1, skipped: 0 }),
  );
  return code !== 0 && count.failed === 0 ? { ...count, failed: 1 } : count;
}

function readVitest(report: { numPassedTests: number; numFailedTests: number; numPendingTests: number }): Count {
  return { passed: report.numPassedTests, failed: report.numFailedTests, skipped: report.numPendingTests };
}

function readPlaywright(report: {
  stats: { expected: number; unexpected: number; flaky: number; skipped: number };
}): Count {
  const { expected, unexpected, flaky, skipped } = report.stats;
  return { passed: expected, failed: unexpected + flaky, skipped };
}

function readMutations(report: { passed: number; failed: number }): Count {
  return { ...report, skipped: 0 };
}
