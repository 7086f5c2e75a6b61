import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseEnv } from "node:util";
import type { Environment } from "#core/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";

/** The variables of a file such as .env.production; none without a file. Throws SyncError `usage_invalid`. */
export async function readEnvironmentFile(file: string | undefined, folder: string): Promise<Environment> {
  if (file === undefined) return {};
  try {
    return parseEnv(await readFile(path.resolve(folder, file), "utf8"));
  } catch (cause) {
    throw new SyncError("usage_invalid", `--env-file ${file} cannot be read: ${errorMessage(cause)}.`, { cause });
  }
}
