import type { Command } from "commander";
import { SyncError } from "#core/errors.ts";
import type { CommandIo } from "../command-io.ts";
import { finishRun } from "../reconcile/finish-run.ts";
import { addRunOptions, readRunOptions } from "../reconcile/run-options.ts";

const examples = `
Examples:
  $ CLERK_SECRET_KEY=sk_live_… clerk-sync backfill
  $ CLERK_SECRET_KEY=sk_live_… clerk-sync backfill --url https://abc.supabase.co --secret-key sb_secret_…
  $ clerk-sync backfill --env-file .env.production
  $ DATABASE_URL=postgres://… CLERK_SECRET_KEY=sk_live_… clerk-sync backfill
  $ clerk-sync backfill --env-file .env.production --dry-run
  $ clerk-sync backfill --env-file .env.production --columns image_url,plan

Needs CLERK_SECRET_KEY in the environment or in the file, and a worker that works through the queue (the local server, or the
processor on Supabase). Stopped at any point, the same command carries on where it was; live events go first.
--dry-run compares every user with Clerk, as reconcile does, and names who is missing and which columns would change; it changes
nothing, and exits with 1 when something would change.
--columns fills columns that were mapped after the rows were made, and nothing else of rows that are as new as Clerk: what users
edited in other columns stays. Such a column is written even where users may edit it. Users who are missing here, or whose newest
change was lost, are brought in whole.
Exits with 0 only when every user of Clerk's was seen to be here.`;

/** Adds `clerk-sync backfill`. */
export function addBackfillCommand(program: Command, io: CommandIo): void {
  const command = program
    .command("backfill")
    .description("Bring every user that Clerk has into the database, once.")
    .option("--dry-run", "name who would be brought in and which columns would change, and change nothing")
    .option("--columns <names>", "fill only these mapped columns of the rows that are there; separated by commas");
  addRunOptions(command)
    .addHelpText("after", examples)
    .action(async (given: unknown) => {
      const options = readRunOptions(given);
      if (options.dryRun && options.columns !== undefined) {
        throw new SyncError("usage_invalid", "--dry-run looks at every column: leave --columns out.");
      }
      await finishRun(options.dryRun ? "compare" : "backfill", !options.dryRun, options, io);
    });
}
