import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { capitalise, formatPage } from "./format-page.ts";
import { formatPlot } from "./format-plot.ts";
import { readResults } from "./read-results.ts";
import { formatScale } from "./reckoning/format-scale.ts";
import type { Result } from "./result.ts";

/** Where the results are that changes are held against. */
export const storedFolder = fileURLToPath(new URL("results/", import.meta.url));
const docs = new URL("../docs/", import.meta.url);

/**
 * Writes the result with every single measurement: into a folder of the caller's, or else as the stored one, and then
 * the pages and the plots of all stored results anew. `order`: of the scenarios on the page.
 */
export async function writeResult(result: Result, out: string | null, order: readonly string[]): Promise<void> {
  const folder = out ?? storedFolder;
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, `${result.scenario}.json`), `${formatResult(result)}\n`);
  if (out === null) await writeDocs(order);
}

/** Writes docs/performance.md, its plots and docs/scale.md of the stored results. */
export async function writeDocs(order: readonly string[]): Promise<void> {
  for (const [name, text] of formatDocs(await readResults(storedFolder), order)) {
    const file = new URL(name, docs);
    await mkdir(new URL("./", file), { recursive: true });
    await writeFile(file, text);
  }
}

/** JSON with the measurements of a side in one line. */
function formatResult(result: Result): string {
  return JSON.stringify(result, null, 2).replaceAll(
    /\[\s+(-?[\d.e+-]+(?:,\s+-?[\d.e+-]+)*)\s+\]/g,
    (_, values: string) => {
      return `[${values.split(/,\s+/).join(", ")}]`;
    },
  );
}

/** What docs/ holds of the results: the names of the files in it, and their texts. */
export function formatDocs(results: readonly Result[], order: readonly string[]): Map<string, string> {
  const plots = results.map(
    ({ scenario, question, rows }) => [`performance/${scenario}.svg`, formatPlot(capitalise(question), rows)] as const,
  );
  return new Map([["performance.md", formatPage(results, order)], ["scale.md", formatScale(results)], ...plots]);
}
