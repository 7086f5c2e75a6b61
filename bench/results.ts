import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { SyncError } from "#core/errors.ts";

const rowSchema = z.object({
  what: z.string(),
  unit: z.string(),
  sides: z.record(z.string(), z.array(z.number())),
  ratio: z.number().positive(),
  of: z.string(),
  against: z.string(),
  better: z.enum(["higher", "lower"]),
  goal: z.number().nullable(),
});

const machineSchema = z.object({
  cpu: z.string(),
  cores: z.number(),
  memoryGb: z.number(),
  node: z.string(),
  postgres: z.string(),
  pgBoss: z.string(),
  graphileWorker: z.string(),
});

const resultSchema = z.object({
  scenario: z.string(),
  question: z.string(),
  date: z.string(),
  commit: z.string(),
  machine: machineSchema,
  load: z.object({ before: z.number(), after: z.number() }),
  options: z.record(z.string(), z.number()),
  notes: z.array(z.string()),
  rows: z.array(rowSchema),
});

/** What the numbers were taken on. */
export type Machine = z.infer<typeof machineSchema>;

/**
 * What a scenario measured, and how it ran. `load`: the load average of a minute, when the benchmark was started and
 * when the scenario ended; others at work on the machine show in the first.
 */
export type Result = z.infer<typeof resultSchema>;

/** Where the results are that changes are held against. */
export const storedFolder = fileURLToPath(new URL("results/", import.meta.url));

/** Writes the result with every single measurement. */
export async function writeResult(result: Result, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, `${result.scenario}.json`), `${formatResult(result)}\n`);
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

/** The results in a folder, as `npm run bench` wrote them, by name. Throws SyncError `usage_invalid`. */
export async function readResults(folder: string): Promise<Result[]> {
  const names = await readdir(folder).catch((): string[] => []);
  const files = names.filter((name) => name.endsWith(".json")).sort();
  if (files.length === 0) {
    throw new SyncError(
      "usage_invalid",
      `There are no results in ${folder}. \`npm run bench -- --out ${folder}\` writes some.`,
    );
  }
  return Promise.all(files.map((file) => readResult(path.join(folder, file))));
}

async function readResult(file: string): Promise<Result> {
  try {
    return resultSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    throw new SyncError("usage_invalid", `${file} is no result of this version of the benchmarks: ${reason}`, {
      cause,
    });
  }
}
