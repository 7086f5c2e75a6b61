import { readFile } from "node:fs/promises";
import path from "node:path";
import { errorMessage, SyncError } from "#core/errors.ts";
import type { Configuration } from "./configuration.ts";
import { plainConfiguration } from "./expand-configuration.ts";
import { configurationError, parseConfiguration } from "./parse-configuration.ts";
import { quoteTable } from "./quote.ts";

/** The name of the file, in the folder that holds package.json. */
export const configurationName = "clerk-sync.config.json";

export type ConfigurationPlace = {
  /** What --config says; undefined: it was not given. */
  path?: string | undefined;
  environment: Readonly<Record<string, string | undefined>>;
};

/** `file` is the absolute path of what was read; null: there is no file, and the plain table is meant. */
export type ReadConfiguration = { configuration: Configuration; file: string | null };

/**
 * Reads the configuration of a folder: the file that --config names, else that of CLERK_SYNC_CONFIG, else
 * clerk-sync.config.json. Only the last may be missing. A relative path begins at the folder.
 * Throws SyncError `config_invalid` where a file that is named is missing, where a file cannot be read, and with every
 * problem of its content.
 */
export async function readConfiguration(folder: string, place: ConfigurationPlace): Promise<ReadConfiguration> {
  const fromEnvironment = place.environment["CLERK_SYNC_CONFIG"]?.trim() || undefined;
  const named = place.path ?? fromEnvironment;
  const speaker = place.path === undefined ? "CLERK_SYNC_CONFIG" : "--config";
  const file = path.resolve(folder, named ?? configurationName);
  const text = await readText(file, named === undefined ? null : `${speaker} names ${named}`);
  if (text === null) return { configuration: plainConfiguration, file: null };
  const parsed = parseConfiguration(text);
  if ("problems" in parsed) throw configurationError(named ?? configurationName, parsed.problems);
  return { configuration: parsed.configuration, file };
}

/** What a command says that takes the plain table because there is no file; null: there is one. */
export function noteOfMissingFile({ configuration, file }: ReadConfiguration, folder: string): string | null {
  if (file !== null) return null;
  const table = quoteTable(configuration.users.table);
  return `There is no ${configurationName} in ${folder}, so the sync has a plain table of its own, ${table}. For a table of yours run: npx clerk-sync init`;
}

/** The text of the file; null where it is missing and nobody named it. */
async function readText(file: string, naming: string | null): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    if (isMissing && naming === null) return null;
    const problem = isMissing
      ? `${naming}, but there is no file ${file}. Correct the path, or make the file.`
      : `${file} cannot be read: ${errorMessage(cause)}. It must be a file that you may read.`;
    throw new SyncError("config_invalid", problem, { cause });
  }
}
