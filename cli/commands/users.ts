import type { Command } from "commander";
import { z } from "zod";
import { resyncedSchema, userPageSchema, userSchema } from "#core/admin/contract/users.ts";
import { addAdminOptions, adminOptionsSchema, openAdmin, readOptions } from "../admin-client/admin-options.ts";
import { formatSearch, formatUser, formatUsers } from "../admin-client/format-user.ts";
import { printLines } from "../admin-client/print-lines.ts";
import type { CommandIo } from "../command-io.ts";
import { addLinkCommand } from "../users/link-command.ts";
import { addRelinkCommand } from "../users/relink-command.ts";

const examples = `
Examples:
  $ clerk-sync users list --q ada@example.com
  $ clerk-sync users list --q "Ada Lovelace"
  $ clerk-sync users show user_2abc
  $ clerk-sync users resync user_2abc --env-file .env.clerk-sync
  $ clerk-sync users link user_2abc --row 42
  $ clerk-sync users relink --dry-run

show exits with 1 when the user is out of step.`;

const listSchema = adminOptionsSchema.extend({
  q: z.string().optional(),
  deleted: z.boolean().default(false),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().optional(),
});
const showSchema = adminOptionsSchema.extend({ reveal: z.boolean().default(false) });

/** Adds `clerk-sync users list|show|resync|link|relink`. */
export function addUsersCommand(program: Command, io: CommandIo): void {
  const users = program
    .command("users")
    .description("Find a user, see why one is out of step, resync, and link rows.")
    .addHelpText("after", examples);
  addAdminOptions(users.command("list").description("The newest users, or those a search finds; values are masked."))
    .option(
      "--q <text>",
      "a Clerk id or its beginning, an email, or the whole text of a mapped column that has an index",
    )
    .option("--deleted", "the deleted users")
    .option("--limit <n>", "how many at most", "50")
    .option("--cursor <text>", "where the page before ended")
    .action(async (given: unknown) => list(readOptions(listSchema, given), io));
  addAdminOptions(
    users
      .command("show <clerk-id>")
      .description("Clerk, the table of users and Supabase Auth side by side, and what keeps them apart."),
  )
    .option("--reveal", "show personal values; that goes into the audit")
    .action(async (id: string, given: unknown) => show(id, readOptions(showSchema, given), io));
  addAdminOptions(
    users.command("resync <clerk-id>").description("Read the user again from Clerk's API, at once."),
  ).action(async (id: string, given: unknown) => resync(id, readOptions(adminOptionsSchema, given), io));
  addLinkCommand(users, io);
  addRelinkCommand(users, io);
}

async function list(options: z.infer<typeof listSchema>, io: CommandIo): Promise<void> {
  const { q, deleted, limit, cursor } = options;
  const query = { q, show: deleted ? "deleted" : undefined, limit, cursor };
  const page = await (await openAdmin(options, io)).get("/users", userPageSchema, query);
  if (options.json) return io.print(JSON.stringify(page));
  printLines(formatUsers(page.users), io);
  if (page.search !== null) for (const line of formatSearch(page.search)) io.note(line);
  if (page.next !== null) io.note(`There may be more. The next page: the same command with --cursor ${page.next}`);
}

async function show(id: string, options: z.infer<typeof showSchema>, io: CommandIo): Promise<void> {
  const call = await openAdmin(options, io);
  const path = `/users/${encodeURIComponent(id)}`;
  const user = options.reveal ? await call.post(`${path}/reveal`, userSchema) : await call.get(path, userSchema);
  if (options.json) io.print(JSON.stringify(user));
  else printLines(formatUser(user), io);
  io.setExitCode(user.verdict.in_step ? 0 : 1);
}

async function resync(id: string, options: z.infer<typeof adminOptionsSchema>, io: CommandIo): Promise<void> {
  const call = await openAdmin(options, io);
  const answer = await call.post(`/users/${encodeURIComponent(id)}/resync`, resyncedSchema);
  const text = `${id} is read again from Clerk, at once. clerk-sync users show ${id} tells what came of it.`;
  io.print(options.json ? JSON.stringify(answer) : text);
}
