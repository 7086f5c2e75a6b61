import type { Command } from "commander";
import { z } from "zod";
import { SyncError } from "#core/errors.ts";

const percent = "--max-unknown must be a whole number from 1 to 100.";
const optionsSchema = z.object({
  url: z.string().optional(),
  secretKey: z.string().optional(),
  databaseUrl: z.string().optional(),
  envFile: z.string().optional(),
  json: z.boolean().default(false),
  cancel: z.boolean().default(false),
  maxUnknown: z
    .string()
    .regex(/^\d{1,3}$/, percent)
    .transform(Number)
    .refine((value) => value >= 1 && value <= 100, percent),
  apply: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  recent: z.boolean().default(false),
  deleteForeign: z.boolean().default(false),
  showValues: z.boolean().default(false),
  columns: z
    .string()
    .transform((text) => [...new Set(text.split(",").map((name) => name.trim()))].sort())
    .refine((names) => names.every((name) => name !== ""), "--columns must be names of columns, separated by commas.")
    .optional(),
});

/** The options of backfill and reconcile. */
export type RunOptions = z.infer<typeof optionsSchema>;

/** Adds the options that both commands have. */
export function addRunOptions(command: Command): Command {
  return command
    .option("--max-unknown <percent>", "stop when Clerk does not know more than this share of our users", "20")
    .option("--cancel", "end the run that is under way instead; what it queued stays")
    .option("--url <url>", "the base URL of the project (default: the local server)")
    .option("--secret-key <key>", "the project's secret key (default: the local server's)")
    .option("--db-url, --database-url <url>", "a database without Supabase's API (default there: DATABASE_URL)")
    .option("--env-file <file>", "variables to use, as the functions or the server have them")
    .option("--json", "print one JSON object and nothing else");
}

/** Checks the options as commander read them. Throws SyncError `usage_invalid`. */
export function readRunOptions(given: unknown): RunOptions {
  const parsed = optionsSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new SyncError("usage_invalid", parsed.error.issues.map(({ message }) => message).join(" "));
}
