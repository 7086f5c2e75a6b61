import type { Command } from "commander";
import { z } from "zod";
import { readOptions } from "../admin-client/admin-options.ts";
import { nameActor } from "../admin-client/call-admin.ts";
import { printLines } from "../admin-client/print-lines.ts";
import type { CommandIo } from "../command-io.ts";
import type { Link } from "./link-user.ts";
import {
  addDatabaseOptions,
  databaseOptionsSchema,
  type Ending,
  inTransaction,
  isAgreed,
  openDatabase,
} from "./open-database.ts";

const help = `
Examples:
  $ DATABASE_URL=postgres://… clerk-sync users link user_2abc --row 42
  $ clerk-sync users link user_2abc --row 42 --yes --json

A user who signs up gets the older row of the same verified address by itself, unless rows of other tables reference the row that
the user has by then. This command shows what hangs on each row, and asks. Then, in one transaction, rows that reference the newer row
are moved to the older one, the newer one is deleted, and the older one gets the Clerk id. The user is read again from Clerk for
the values. Only foreign keys are followed: a column that holds the id of a row without one is not found.
Exits with 1 when the answer was no.`;

const optionsSchema = databaseOptionsSchema.extend({ row: z.string().min(1), showValues: z.boolean().default(false) });

type LinkOptions = z.infer<typeof optionsSchema>;

/** Adds `clerk-sync users link`. */
export function addLinkCommand(users: Command, io: CommandIo): void {
  const command = users
    .command("link <clerk-id>")
    .description("Give a user an older row that has no Clerk id, with all that hangs on the user's row.")
    .requiredOption("--row <id>", "the row to keep, by its primary key")
    .option("--show-values", "show the values that differ, which are personal data, too");
  addDatabaseOptions(command)
    .addHelpText("after", help)
    .action(async (id: string, given: unknown) => link(id, readOptions(optionsSchema, given), io));
}

async function link(clerkId: string, options: LinkOptions, io: CommandIo): Promise<void> {
  await openDatabase(options, io, async (client) => {
    const { linkUser } = await import("./link-user.ts"); // it needs the database driver
    const attempt = (ending: Ending) =>
      inTransaction(client, ending, () => linkUser(client, { clerkId, row: options.row, actor: nameActor() }));
    // It is tried before the question, and taken back: what stands in the way is said first.
    const planned = await attempt("rollback");
    const print = options.json ? io.note : io.print;
    if (!(options.json && options.yes)) printLines(formatPlan(planned, options.showValues), { print });
    const isDone = await isAgreed(question(planned), options, io);
    if (isDone) await attempt("commit");
    else io.setExitCode(1);
    if (options.json) {
      return io.print(
        JSON.stringify({ linked: isDone, ...planned, differences: namesOnly(planned, options.showValues) }),
      );
    }
    io.print(
      isDone ? `${clerkId} has the row ${planned.row} now, and is read again from Clerk.` : "Nothing was changed.",
    );
  });
}

function namesOnly({ differences }: Link, withValues: boolean): unknown[] {
  return differences.map(({ here, newer, ...rest }) => (withValues ? { ...rest, here, newer } : rest));
}

function question({ row, newer_row: newer, clerk_id: clerkId }: Link): string {
  if (newer === null) return `Give the row ${row} to ${clerkId}?`;
  return `Give the row ${row} to ${clerkId}, and delete the row ${newer}?`;
}

/** What will happen, before the question. */
function formatPlan(
  { table, row, newer_row: newer, clerk_id: clerkId, references, differences }: Link,
  withValues: boolean,
): string[] {
  if (newer === null) {
    return [
      `${clerkId} has no row in ${table}.`,
      ...references.map(({ table: name, here }) => `  ${name}: ${here} of the row ${row}`),
    ];
  }
  return [
    `${table}: the row ${row} stays, the row ${newer} of ${clerkId} is deleted.`,
    references.length === 0
      ? "No rows of other tables reference them."
      : "Rows that reference them; those of the newer row are moved:",
    ...references.map(
      ({ table: name, columns, here, newer: found }) =>
        `  ${name} (${columns.join(", ")}): ${here} of the row ${row}, ${found} of the row ${newer}`,
    ),
    ...(differences.length === 0 ? [] : ["Columns in which the two rows differ:"]),
    ...differences.map(({ column, here, newer: other, stays }) => {
      const values = withValues ? ` (${JSON.stringify(here)}, newer ${JSON.stringify(other)})` : "";
      return `  ${column}${values}: ${stays ? `stays as in the row ${row}` : "as the mapping says, by the next read"}`;
    }),
  ];
}
