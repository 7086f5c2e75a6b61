import type { Command } from "commander";
import type { CommandIo } from "../command-io.ts";
import { finishRun } from "../reconcile/finish-run.ts";
import { addRunOptions, readRunOptions } from "../reconcile/run-options.ts";

const examples = `
Examples:
  $ CLERK_SECRET_KEY=sk_live_… clerk-sync reconcile
  $ CLERK_SECRET_KEY=sk_live_… clerk-sync reconcile --apply
  $ clerk-sync reconcile --env-file .env.production
  $ CLERK_SECRET_KEY=sk_live_… clerk-sync reconcile --recent --apply --json

Without --apply nothing is changed. A user that Clerk's list does not show is deleted only when Clerk says of that very
user that it does not exist, and many deletions wait for an operator (the delete brake).
Kinds: missing, stale (an event was lost), ahead (what was applied does not come
from Clerk: a leaked secret, a wrong clock), differs (same version, other values), unmirrored (not in Supabase Auth),
extra (deleted at Clerk); no drift are edited (only what users may edit differs), pending (in the queue) and
foreign (unknown to Clerk and never written by the sync: seeded, of another instance, or deleted before the sync came).
In Supabase Auth, where users are mirrored: auth_missing, auth_differs (changed there by hand), auth_address_held (another user there holds the address), auth_extra (of a user who
is deleted), auth_deleted (soft-deleted there: delete it for good in the dashboard, and it is made anew; what refers to it
by "on delete cascade" goes with it); no drift are auth_foreign (not of our making, left alone) and
auth_unreadable (a row that Supabase Auth cannot read: docs/errors.md, auth_user_failed).
Exits with 0 only when everybody is in step, or was brought in step by --apply.`;

/** Adds `clerk-sync reconcile`. */
export function addReconcileCommand(program: Command, io: CommandIo): void {
  const command = program
    .command("reconcile")
    .description("Compare every user with Clerk, field by field, and say or mend what is out of step.")
    .option("--apply", "mend what is out of step")
    .option("--recent", "only users that changed at Clerk since the last run; cheap, and sees no deletions")
    .option(
      "--delete-foreign",
      "with --apply: delete rows, too, that Clerk does not know and that never came from the sync",
    )
    .option("--show-values", "print the differing values, which are personal data, too");
  addRunOptions(command)
    .addHelpText("after", examples)
    .action(async (given: unknown) => {
      const options = readRunOptions(given);
      await finishRun(options.recent ? "sweep" : "compare", options.apply, options, io);
    });
}
