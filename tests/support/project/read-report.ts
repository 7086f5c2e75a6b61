import { z } from "zod";

/** What a suite, or several, came to. */
export type Count = { passed: number; failed: number; skipped: number };

const vitestFile = z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) });
const vitestReport = z.object({ testResults: z.array(vitestFile) });
const playwrightTest = z.object({ expectedStatus: z.string(), status: z.string() });
const playwrightSuite = z.object({
  specs: z.array(z.object({ tests: z.array(playwrightTest) })).default([]),
  get suites() {
    return z.array(playwrightSuite).default([]);
  },
});
const playwrightReport = z.object({ errors: z.array(z.unknown()), suites: z.array(playwrightSuite) });
const mutationsReport = z.object({ passed: z.number(), failed: z.number() });

export const nothing: Count = { passed: 0, failed: 0, skipped: 0 };

export const add = (left: Count, right: Count): Count => ({
  passed: left.passed + right.passed,
  failed: left.failed + right.failed,
  skipped: left.skipped + right.skipped,
});

/** vitest's JSON report. It calls the tests behind a failed hook skipped, and names none of a file that does not load. */
export function readVitest(report: unknown): Count {
  return vitestReport.parse(report).testResults.map(readFile).reduce(add, nothing);
}

/** A file that failed although none of its tests did: a hook failed, or it was not loaded. What did not run has failed. */
function readFile({ status, assertionResults }: z.infer<typeof vitestFile>): Count {
  const having = (...wanted: string[]) => assertionResults.filter((test) => wanted.includes(test.status)).length;
  const [passed, failed] = [having("passed"), having("failed")];
  const notRun = assertionResults.length - passed - failed;
  const isBroken = status === "failed" && failed === 0;
  return isBroken ? { passed, failed: Math.max(1, notRun), skipped: 0 } : { passed, failed, skipped: notRun };
}

/** Playwright's JSON report. An error of no test is a file that was not loaded, or a global setup that failed. */
export function readPlaywright(report: unknown): Count {
  const { errors, suites } = playwrightReport.parse(report);
  return suites.map(readSuite).reduce(add, { ...nothing, failed: errors.length });
}

function readSuite({ specs, suites }: z.infer<typeof playwrightSuite>): Count {
  const tests = specs.flatMap((spec) => spec.tests).map(readTest);
  return [...tests, ...suites.map(readSuite)].reduce(add, nothing);
}

/** A test that was skipped without being meant to did not run, because a hook failed or another project did. */
function readTest({ expectedStatus, status }: z.infer<typeof playwrightTest>): Count {
  if (status === "expected") return { ...nothing, passed: 1 };
  if (status === "skipped" && expectedStatus === "skipped") return { ...nothing, skipped: 1 };
  return { ...nothing, failed: 1 };
}

/** The report of tests/mutations.ts. */
export function readMutations(report: unknown): Count {
  return { ...mutationsReport.parse(report), skipped: 0 };
}
