import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { z } from "zod";

/** What a suite, or several, came to. */
export type Count = { passed: number; failed: number; skipped: number };

/** With a line for each test that failed: its file, its groups and its title. */
export type Outcome = Count & { failures: readonly string[] };

const vitestTest = z.object({ status: z.string(), title: z.string(), ancestorTitles: z.array(z.string()) });
const vitestFile = z.object({
  name: z.string(),
  status: z.string(),
  message: z.string(),
  assertionResults: z.array(vitestTest),
});
const vitestReport = z.object({ testResults: z.array(vitestFile) });
const playwrightTest = z.object({ expectedStatus: z.string(), status: z.string(), projectName: z.string() });
const playwrightSuite = z.object({
  title: z.string(),
  specs: z.array(z.object({ title: z.string(), tests: z.array(playwrightTest) })).default([]),
  get suites() {
    return z.array(playwrightSuite).default([]);
  },
});
const playwrightError = z.object({ message: z.string().default("an error without a message") });
const playwrightReport = z.object({ errors: z.array(playwrightError), suites: z.array(playwrightSuite) });
const failures = z.array(z.string());
const mutationsReport = z.object({ passed: z.number(), failed: z.number(), failures });
const sum = z.object({ passed: z.number(), failed: z.number(), skipped: z.number(), failures });

export const nothing: Outcome = { passed: 0, failed: 0, skipped: 0, failures: [] };

export const add = (left: Outcome, right: Outcome): Outcome => ({
  passed: left.passed + right.passed,
  failed: left.failed + right.failed,
  skipped: left.skipped + right.skipped,
  failures: [...left.failures, ...right.failures],
});

/** One failure that no test stands for. */
export const failedOnce = (line: string): Outcome => ({ ...nothing, failed: 1, failures: [line] });

/**
 * vitest's JSON report, with files named from `root`. It calls the tests behind a failed hook skipped, and names none of
 * a file that does not load.
 */
export function readVitest(report: unknown, root: string): Outcome {
  return vitestReport
    .parse(report)
    .testResults.map((file) => readFile({ ...file, name: path.relative(root, file.name) }))
    .reduce(add, nothing);
}

/** A file that failed although none of its tests did: a hook failed, or it was not loaded. What did not run has failed. */
function readFile({ name, status, message, assertionResults }: z.infer<typeof vitestFile>): Outcome {
  const passed = assertionResults.filter((test) => test.status === "passed").length;
  const failed = assertionResults.filter((test) => test.status === "failed");
  const notRun = assertionResults.filter((test) => test.status !== "passed" && test.status !== "failed");
  const describe = (test: z.infer<typeof vitestTest>, ...more: string[]) =>
    toLine(name, ...test.ancestorTitles, test.title, ...more);
  if (status !== "failed" || failed.length > 0) {
    return { passed, failed: failed.length, skipped: notRun.length, failures: failed.map((test) => describe(test)) };
  }
  const failures = notRun.length === 0 ? [toLine(name, message)] : notRun.map((test) => describe(test, message));
  return { passed, failed: failures.length, skipped: 0, failures };
}

/** Playwright's JSON report. An error of no test is a file that was not loaded, or a global setup that failed. */
export function readPlaywright(report: unknown): Outcome {
  const { errors, suites } = playwrightReport.parse(report);
  const outcomes = errors.map(({ message }) => failedOnce(firstLine(message)));
  return [...outcomes, ...suites.map((suite) => readSuite(suite, []))].reduce(add, nothing);
}

function readSuite({ title, specs, suites }: z.infer<typeof playwrightSuite>, above: readonly string[]): Outcome {
  const titles = [...above, title];
  const tests = specs.flatMap((spec) => spec.tests.map((test) => readTest(test, [...titles, spec.title])));
  return [...tests, ...suites.map((suite) => readSuite(suite, titles))].reduce(add, nothing);
}

/** A test that was skipped without being meant to did not run, because a hook failed or another project did. */
function readTest(test: z.infer<typeof playwrightTest>, titles: readonly string[]): Outcome {
  const { expectedStatus, status, projectName } = test;
  if (status === "expected") return { ...nothing, passed: 1 };
  if (status === "skipped" && expectedStatus === "skipped") return { ...nothing, skipped: 1 };
  return failedOnce(toLine(...titles) + (projectName === "" ? "" : ` [${projectName}]`));
}

/** The report of tests/mutations.ts. */
export function readMutations(report: unknown): Outcome {
  return { ...mutationsReport.parse(report), skipped: 0 };
}

/** What tests/run.ts wrote of a part. */
export function readSum(report: unknown): Outcome {
  return sum.parse(report);
}

/** The first failures, so that the end of a long output names them. */
export function listFailures(lines: readonly string[], most = 30): string[] {
  const rest = lines.length - most;
  return [...lines.slice(0, most), ...(rest > 0 ? [`and ${rest} more`] : [])];
}

function toLine(...titles: readonly string[]): string {
  return titles
    .map(firstLine)
    .filter((title) => title !== "")
    .join(" > ");
}

function firstLine(text: string): string {
  return stripVTControlCharacters(text).trim().split("\n", 1).join("");
}
