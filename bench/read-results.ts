import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { SyncError } from "#core/errors.ts";
import { type Result, resultSchema } from "./result.ts";

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
