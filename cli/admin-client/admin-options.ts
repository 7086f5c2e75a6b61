import type { Command } from "commander";
import { z } from "zod";
import { SyncError } from "#core/errors.ts";
import type { CommandIo } from "../command-io.ts";
import { findRest } from "../read-target.ts";
import { type CallAdmin, createCallAdmin } from "./call-admin.ts";

/** The options of every command that speaks to sync-admin. */
export const adminOptionsSchema = z.object({
  url: z.string().optional(),
  secretKey: z.string().optional(),
  envFile: z.string().optional(),
  json: z.boolean().default(false),
});

type AdminOptions = z.infer<typeof adminOptionsSchema>;

/** Adds them to a command. */
export function addAdminOptions(command: Command): Command {
  return command
    .option("--url <url>", "the base URL of the project (default: the local server)")
    .option("--secret-key <key>", "the project's secret key (default: the local server's)")
    .option("--env-file <file>", "variables to use, as the functions or the server have them")
    .option("--json", "print one JSON value and nothing else");
}

/** Finds the project and makes the calls to it. Throws SyncError `usage_invalid`, `config_invalid`. */
export async function openAdmin(options: AdminOptions, io: CommandIo): Promise<CallAdmin> {
  return createCallAdmin((await findRest(options, io, true)).rest, io);
}

/** Checks options as commander read them. Throws SyncError `usage_invalid` with what is wrong. */
export function readOptions<Options>(schema: z.ZodType<Options>, given: unknown): Options {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) =>
      `--${path.join(".").replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}: ${message}.`,
  );
  throw new SyncError("usage_invalid", problems.join(" "));
}
