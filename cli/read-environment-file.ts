import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseEnv } from "node:util";
import type { Environment } from "#core/config/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import type { CommandIo } from "./command-io.ts";

/** They name an installation and open it: a file that is named says all of them, or the key of one would go to another. */
const targetVariables: readonly string[] = [
  "CLERK_SYNC_URL",
  "DATABASE_URL",
  "SUPABASE_URL",
  "SUPABASE_SECRET_KEY",
  "SUPABASE_SERVICE_ROLE_KEY",
  "CLERK_WEBHOOK_SECRET",
  "CLERK_WEBHOOK_SIGNING_SECRET",
];

/**
 * What a command knows: the variables of --env-file come before those of the process, and address and keys of an
 * installation come from the file alone. Throws SyncError `usage_invalid`.
 */
export async function readEnvironment(
  { envFile }: { envFile?: string | undefined },
  { environment, folder }: Pick<CommandIo, "environment" | "folder">,
): Promise<Environment> {
  if (envFile === undefined) return environment;
  const others = Object.entries(environment).filter(([name]) => !targetVariables.includes(name));
  return { ...Object.fromEntries(others), ...(await readEnvironmentFile(envFile, folder)) };
}

/** The variables of a file such as .env.clerk-sync. Throws SyncError `usage_invalid`. */
async function readEnvironmentFile(file: string, folder: string): Promise<Environment> {
  try {
    return parseEnv(await readFile(path.resolve(folder, file), "utf8"));
  } catch (cause) {
    throw new SyncError("usage_invalid", `--env-file ${file} cannot be read: ${errorMessage(cause)}.`, { cause });
  }
}
