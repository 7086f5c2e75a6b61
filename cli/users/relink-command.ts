import { type Command, Option } from "commander";
import { z } from "zod";
import { createClerkApi } from "#core/clerk/clerk-api.ts";
import { readConfig } from "#core/config/config.ts";
import { SyncError } from "#core/errors.ts";
import { createRetry } from "#core/http/retry-requests.ts";
import { readOptions } from "../admin-client/admin-options.ts";
import { nameActor } from "../admin-client/call-admin.ts";
import { printLines } from "../admin-client/print-lines.ts";
import type { CommandIo } from "../command-io.ts";
import { readEnvironment } from "../read-environment-file.ts";
import { type Matching, matchRows } from "./match-rows.ts";
import { addDatabaseOptions, databaseOptionsSchema, isAgreed, openDatabase } from "./open-database.ts";
import { readInstance } from "./read-instance.ts";
import type { Relinked } from "./relink-users.ts";

const help = `
Examples:
  $ CLERK_SECRET_KEY=sk_live_… DATABASE_URL=postgres://… clerk-sync users relink --dry-run
  $ clerk-sync users relink --env-file .env.production --by external_id

For the step from a development to a production instance: the same people, with new Clerk ids. CLERK_SECRET_KEY is that of
the new instance. All its users are read. A row whose Clerk id that instance does not have gets the id of the one user there
with the same verified address (the case does not count), or with the same external id; a user there whose external id is the
old Clerk id counts as well. Rows keep their primary keys and all that hangs on them. Users are read again from
Clerk afterwards. Rows without a match, or with several, are named and left as they are.
Stop the webhook of the old instance first, and give the functions or the server the keys of the new one: they read the users.
A column without a foreign key that holds Clerk ids is not found.
Exits with 0 when every row has a Clerk id of the new instance.`;

const optionsSchema = databaseOptionsSchema.extend({
  by: z.enum(["email", "external_id"]).default("email"),
  dryRun: z.boolean().default(false),
});

type RelinkOptions = z.infer<typeof optionsSchema>;

/** Adds `clerk-sync users relink`. */
export function addRelinkCommand(users: Command, io: CommandIo): void {
  const command = users
    .command("relink")
    .description("Give rows the Clerk ids of another instance (development to production).")
    .addOption(
      new Option("--by <field>", "by what rows and users are matched")
        .choices(["email", "external_id"])
        .default("email"),
    )
    .option("--dry-run", "say what matches, and change nothing");
  addDatabaseOptions(command)
    .addHelpText("after", help)
    .action(async (given: unknown) => relink(readOptions(optionsSchema, given), io));
}

async function relink(options: RelinkOptions, io: CommandIo): Promise<void> {
  const { by } = options;
  const clerk = await openClerk(options, io);
  await openDatabase(options, io, async (client) => {
    const { readRelinkable, readRows, relinkUsers } = await import("./relink-users.ts"); // it needs the database driver
    const mapped = await readRelinkable(client);
    const readAt = new Date(io.clock.now());
    const matching = matchRows(await readRows(client, mapped, by), await readInstance(clerk, by));
    const { pairs } = matching;
    const isQuiet = options.json && (options.yes || options.dryRun);
    if (!isQuiet) printLines(formatMatching(matching, options), { print: options.json ? io.note : io.print });
    const isAsked = pairs.length > 0 && !options.dryRun;
    const isDone = isAsked && (await isAgreed(`Give ${pairs.length} rows their new Clerk ids?`, options, io));
    const done = isDone
      ? await relinkUsers(client, mapped, { pairs, by, actor: nameActor(), readAt })
      : { relinked: 0, busy: [], left_auth_users: [] };
    io.setExitCode(isComplete(matching, done.relinked) ? 0 : 1);
    if (options.json) return io.print(JSON.stringify({ by, ...matching, ...done }));
    for (const line of formatEnd(matching, options, isDone ? done : null)) io.print(line);
  });
}

async function openClerk(options: RelinkOptions, io: CommandIo) {
  const { clerkSecretKey, clerkApiUrl } = readConfig(await readEnvironment(options, io));
  if (clerkSecretKey === null) {
    const where = "Clerk's dashboard shows it under API keys of the new instance, sk_live_… or sk_test_….";
    throw new SyncError("config_invalid", `CLERK_SECRET_KEY is not set here: ${where}`);
  }
  const retry = createRetry({ retries: 5, longestWaitMilliseconds: 30_000 });
  return createClerkApi({ secretKey: clerkSecretKey, apiUrl: clerkApiUrl, fetch: io.fetch, retry });
}

const left = ["unmatched", "ambiguous", "taken", "unverified"] as const;

function isComplete(matching: Matching, relinked: number): boolean {
  return relinked === matching.pairs.length && left.every((name) => matching[name].length === 0);
}

const shownIds = 10;

function formatMatching(matching: Matching, { by }: RelinkOptions): string[] {
  const key = by === "email" ? "verified address" : "external id";
  const reasons = {
    unmatched: `no user of this instance has the ${key}`,
    ambiguous: `several users, or several rows, have the ${key}`,
    taken: "the user there has a row here already (delete it, or move what hangs on it, and run this again)",
    unverified: "Clerk never verified the address of the row",
  };
  return [
    `${matching.known} rows have a Clerk id of this instance.`,
    `${matching.pairs.length} rows match a user of this instance by ${key}, and get a new Clerk id.`,
    ...left
      .filter((name) => matching[name].length > 0)
      .map((name) => `${matching[name].length} stay as they are: ${reasons[name]}: ${listIds(matching[name])}`),
  ];
}

function listIds(ids: readonly string[]): string {
  const more = ids.length - shownIds;
  return `${ids.slice(0, shownIds).join(", ")}${more > 0 ? ` and ${more} more (--json names all)` : ""}`;
}

function formatEnd({ pairs }: Matching, { dryRun }: RelinkOptions, done: Relinked | null): string[] {
  if (done === null)
    return [
      pairs.length === 0
        ? "There is nothing to change."
        : `Nothing was changed.${dryRun ? " Without --dry-run it is." : ""}`,
    ];
  const busy =
    done.busy.length === 0
      ? []
      : [
          `${done.busy.length} stay for now: a worker has a job of the user, or the user changed meanwhile. Run this again: ${listIds(done.busy)}`,
        ];
  const authUsers =
    done.left_auth_users.length === 0
      ? []
      : [
          `${done.left_auth_users.length} users had another user in Supabase Auth under the new id. They keep the one of the row; delete the others there: ${listIds(done.left_auth_users)}`,
        ];
  return [
    `${done.relinked} rows have their new Clerk id, and their users are read again from Clerk.`,
    ...busy,
    ...authUsers,
  ];
}
