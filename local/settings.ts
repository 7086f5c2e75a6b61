import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { errorMessage, SyncError } from "#core/errors.ts";
import { newDatabasePassword, readDatabasePassword } from "./postgres/embedded-postgres.ts";

/** What a client needs to drive the local server; the content of .clerk-sync/local.json. */
export type LocalSettings = {
  url: string;
  databaseUrl: string;
  webhookSecret: string;
  secretKey: string;
  adminUrl: string;
};

const secretsSchema = z.object({ webhookSecret: z.string().startsWith("whsec_"), secretKey: z.string().min(1) });
const databaseSchema = z.object({ databaseUrl: z.string().transform(readDatabasePassword) });

/** The secrets of an earlier start, so that a client configured once keeps working; new ones the first time. */
export async function readLocalSecrets(folder: string): Promise<{ webhookSecret: string; secretKey: string }> {
  const parsed = secretsSchema.safeParse(await readSettings(folder));
  if (parsed.success) return parsed.data;
  return {
    webhookSecret: `whsec_${randomBytes(24).toString("base64")}`,
    secretKey: `sb_secret_local_${randomBytes(24).toString("base64url")}`,
  };
}

/** The embedded PostgreSQL's password of an earlier start; a new one the first time, or where another database was used. */
export async function readLocalPassword(folder: string): Promise<string> {
  return databaseSchema.safeParse(await readSettings(folder)).data?.databaseUrl ?? newDatabasePassword();
}

async function readSettings(folder: string): Promise<unknown> {
  return parseJson(await readFile(settingsFile(folder), "utf8").catch(() => "{}"));
}

/** Writes the settings, readable by the owner only. Throws SyncError `data_folder_unusable`. */
export async function writeLocalSettings(folder: string, settings: LocalSettings): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(settingsFile(folder), `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
    await chmod(settingsFile(folder), 0o600); // the mode above counts only for a new file
  } catch (cause) {
    throw new SyncError(
      "data_folder_unusable",
      `Cannot write to ${folder}: ${errorMessage(cause)}. Make it writable.`,
      { cause },
    );
  }
}

/** Keeps git off the folder, which holds secrets and a database: its own .gitignore does, in any project. */
export async function ignoreFolder(folder: string): Promise<void> {
  await writeFile(path.join(folder, ".gitignore"), "*\n").catch((cause: unknown) => {
    throw new SyncError("data_folder_unusable", `Cannot write to ${folder}: ${errorMessage(cause)}.`, { cause });
  });
}

function settingsFile(folder: string): string {
  return path.join(folder, "local.json");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a damaged file is like none: new secrets are made and printed
  }
}
