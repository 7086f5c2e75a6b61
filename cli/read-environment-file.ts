import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseEnv } from "node:util";
import type { Environment } from "#core/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import type { CommandIo } from "./command-io.ts";

/** What a command knows: the variables of --env-file come before those of the process. Throws SyncError `usage_invalid`. */
export async function readEnvironment(
  { envFile }: { envFile?: string | undefined },
  { environment, folder }: Pick<CommandIo, "environment" | "folder">,
): Promise<Environment> {
  return { ...environment, ...(await readEnvironmentFile(envFile, folder)) };
}

/** The variables of a file such as .env.production; none without a file. Throws SyncError `usage_invalid`. */
async function readEnvironmentFile(file: string | undefined, folder: string): Promise<Environment> {
  if (file === undefined) return {};
  try {
    return parseEnv(await readFile(path.resolve(folder, file), "utf8"));
  } catch (cause) {
    throw new SyncError("usage_invalid", `--env-file ${file} cannot be read: ${errorMessage(cause)}.`, { cause });
  }
}
