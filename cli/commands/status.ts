import type { Command } from "commander";
import { z } from "zod";
import { type Overview, overviewSchema } from "#core/admin/contract/overview.ts";
import { SyncError } from "#core/errors.ts";
import { addAdminOptions, adminOptionsSchema, openAdmin, readOptions } from "../admin-client/admin-options.ts";
import type { CallAdmin } from "../admin-client/call-admin.ts";
import { formatStatus } from "../admin-client/format-status.ts";
import { showText } from "../admin-client/print-lines.ts";
import type { CommandIo } from "../command-io.ts";

const examples = `
Examples:
  $ clerk-sync status
  $ clerk-sync status --watch --env-file .env.clerk-sync

Exits with 1 when the sync is compromised, as sync-health answers 503 then, and when it cannot be asked; degraded is 0,
as warnings of doctor are. --watch goes on while the server restarts.`;

const optionsSchema = adminOptionsSchema.extend({
  watch: z.boolean().default(false),
  every: z.coerce.number().min(1).max(3600).default(5),
});

type StatusOptions = z.infer<typeof optionsSchema>;

const clearScreen = "\u001b[2J\u001b[H";

/** Adds `clerk-sync status`. */
export function addStatusCommand(program: Command, io: CommandIo): void {
  addAdminOptions(program.command("status").description("How the sync is, on one screen."))
    .option("--watch", "show it again and again, until Ctrl-C; with --json, one value a line")
    .option("--every <seconds>", "how often, with --watch", "5")
    .addHelpText("after", examples)
    .action(async (given: unknown) => status(readOptions(optionsSchema, given), io));
}

async function status(options: StatusOptions, io: CommandIo): Promise<void> {
  const call = await openAdmin(options, io);
  await look(call, options, io);
  if (options.watch) await keepLooking(call, options, io);
}

async function look(call: CallAdmin, options: StatusOptions, io: CommandIo): Promise<void> {
  const overview = await call.get("/overview", overviewSchema);
  show(overview, options, io);
  io.setExitCode(overview.health.status === "compromised" ? 1 : 0);
}

/** Looks again until Ctrl-C. A server that restarts is no reason to end; a key that is refused is. */
async function keepLooking(call: CallAdmin, options: StatusOptions, io: CommandIo): Promise<void> {
  const stop = new AbortController();
  const forget = io.onInterrupt(() => stop.abort());
  const wait = () => io.clock.sleep(options.every * 1000, stop.signal).catch(rethrowUnless(stop.signal));
  try {
    for (await wait(); !stop.signal.aborted; await wait()) {
      await look(call, options, io).catch((error: unknown) => noteTrouble(error, io));
    }
  } finally {
    forget();
  }
}

function rethrowUnless(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}

function noteTrouble(error: unknown, io: CommandIo): void {
  if (!(error instanceof SyncError) || !error.retryable) throw error;
  io.note(`error ${error.code}: ${error.message} Asking again …`);
  io.setExitCode(1);
}

function show(overview: Overview, { json, watch }: StatusOptions, io: CommandIo): void {
  if (json) {
    io.print(JSON.stringify(overview));
    return;
  }
  const clear = watch && io.terminal !== null ? clearScreen : "";
  io.print(`${clear}${formatStatus(overview, io.clock.now()).map(showText).join("\n")}`);
}
