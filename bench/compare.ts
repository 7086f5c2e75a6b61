import { parseArgs } from "node:util";
import { errorMessage, SyncError } from "#core/errors.ts";
import { compareResults, findRegressions, formatComparison } from "./compare-results.ts";
import { storedFolder } from "./page.ts";
import { readResults } from "./results.ts";

// npm run bench:compare: the results of a run (.bench-results, or the folder named) against the stored ones; of several
// folders the best of each row.
try {
  const { positionals } = parseArgs({ allowPositionals: true });
  const folders = positionals.length === 0 ? [".bench-results"] : positionals;
  const fresh = await Promise.all(folders.map(readResults));
  const comparison = compareResults(await readResults(storedFolder), fresh.flat());
  for (const line of formatComparison(comparison)) console.log(line);
  process.exitCode = findRegressions(comparison).length === 0 ? 0 : 1;
} catch (error) {
  console.error(`${error instanceof SyncError ? `${error.code}: ` : ""}${errorMessage(error)}`);
  process.exitCode = 1;
}
