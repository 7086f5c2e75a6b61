import type { Command } from "commander";
import { z } from "zod";
import { type Overview, overviewSchema } from "#core/admin-overview-contract.ts";
import type { CommandIo } from "../command-io.ts";
import { addAdminOptions, adminOptionsSchema, openAdmin, readOptions } from "../operate/admin-options.ts";
import { formatStatus } from "../operate/format-status.ts";

const examples = `
Examples:
  $ clerk-sync status
  $ clerk-sync status --watch --env-file .env.clerk-sync

Exits with 1 when the sync is compromised, as sync-health answers 503 then.`;

const optionsSchema = adminOptionsSchema.extend({
  watch: z.boolean().default(false),
  every: z.coerce.number().min(1).max(3600).default(5),
});

const clearScreen = "\u001b[2J\u001b[H";

/** Adds `clerk-sync status`. */
export function addStatusCommand(program: Command, io: CommandIo): void {
  addAdminOptions(program.command("status").description("How the sync is, on one screen."))
    .option("--watch", "show it again and again, until Ctrl-C")
    .option("--every <seconds>", "how often, with --watch", "5")
    .addHelpText("after", examples)
    .action(async (given: unknown) => status(readOptions(optionsSchema, given), io));
}

async function status(options: z.infer<typeof optionsSchema>, io: CommandIo): Promise<void> {
  const call = await openAdmin(options, io);
  const stop = new AbortController();
  const forget = io.onInterrupt(() => stop.abort());
  try {
    do {
      const overview = await call.get("/overview", overviewSchema);
      show(overview, options, io);
      io.setExitCode(overview.health.status === "compromised" ? 1 : 0);
      if (options.watch) await io.clock.sleep(options.every * 1000, stop.signal).catch(() => undefined);
    } while (options.watch && !stop.signal.aborted);
  } finally {
    forget();
  }
}

function show(overview: Overview, { json, watch }: z.infer<typeof optionsSchema>, io: CommandIo): void {
  const lines = json ? [JSON.stringify(overview)] : formatStatus(overview, io.clock.now());
  const clear = watch && !json && io.terminal !== null ? clearScreen : "";
  io.print(`${clear}${lines.join("\n")}`);
}
