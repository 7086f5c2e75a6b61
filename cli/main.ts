import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, CommanderError } from "commander";
import { z } from "zod";
import { errorMessage, SyncError } from "#core/errors.ts";
import { chooseOnTerminal, confirmOnTerminal } from "./ask-on-terminal.ts";
import type { CommandIo } from "./command-io.ts";
import { addAlertsCommand } from "./commands/alerts.ts";
import { addAuditCommand } from "./commands/audit.ts";
import { addBackfillCommand } from "./commands/backfill.ts";
import { addDoctorCommand } from "./commands/doctor.ts";
import { addGenerateCommand } from "./commands/generate.ts";
import { addInitCommand } from "./commands/init.ts";
import { addJobsCommand } from "./commands/jobs.ts";
import { addMigrateCommand } from "./commands/migrate.ts";
import { addReconcileCommand } from "./commands/reconcile.ts";
import { addServeCommand } from "./commands/serve.ts";
import { addSimulateCommand } from "./commands/simulate.ts";
import { addStatusCommand } from "./commands/status.ts";
import { addUsersCommand } from "./commands/users.ts";
import { addVerifyCommand } from "./commands/verify.ts";
import { findPackageRoot } from "./find-package-root.ts";
import { onInterrupt } from "./on-interrupt.ts";

const usageExitCode = 2;

/** Runs the command line with the arguments after the program's name and returns its exit code. */
export async function main(args: readonly string[], changes: Partial<CommandIo> = {}): Promise<number> {
  let exitCode = 0;
  const setExitCode = (code: number) => {
    exitCode = code;
  };
  const io: CommandIo = { ...processIo(), ...changes, setExitCode };
  try {
    await createProgram(io).parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    return reportError(error, args.includes("--json"), io);
  }
}

function createProgram(io: CommandIo): Command {
  const program = new Command("clerk-sync")
    .description("Installs clerk-supabase-sync and drives an installation.")
    .version(readVersion(), "-v, --version")
    .addHelpText("after", "\nExample:\n  $ clerk-sync simulate --count 1000 --shuffle --duplicate")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.print(text.trimEnd()),
      writeErr: (text) => io.note(text.trimEnd()),
    })
    .showHelpAfterError("(clerk-sync --help shows what there is)");
  addSimulateCommand(program, io);
  addDoctorCommand(program, io);
  addServeCommand(program, io);
  addMigrateCommand(program, io);
  addGenerateCommand(program, io);
  addInitCommand(program, io);
  addVerifyCommand(program, io);
  addBackfillCommand(program, io);
  addReconcileCommand(program, io);
  addAuditCommand(program, io);
  addAlertsCommand(program, io);
  addStatusCommand(program, io);
  addJobsCommand(program, io);
  addUsersCommand(program, io);
  for (const command of program.commands) {
    command.showHelpAfterError(`(clerk-sync ${command.name()} --help shows what there is)`);
  }
  return program;
}

/**
 * The one catch of the command line. With --json the error is the one value on standard output, for who parses it. An error
 * we did not foresee keeps its stack.
 */
function reportError(error: unknown, isJson: boolean, io: CommandIo): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  const { code, message } = describeError(error);
  if (isJson) io.print(JSON.stringify({ error: { code, message } }));
  else if (error instanceof SyncError) io.note(`error ${code}: ${message}`);
  // commander has said what it does not take
  if (code === "unexpected") io.note(`error unexpected: ${error instanceof Error ? error.stack : message}`);
  return code === "usage_invalid" ? usageExitCode : 1;
}

function describeError(error: unknown): { code: string; message: string } {
  if (error instanceof SyncError) return { code: error.code, message: error.message };
  if (error instanceof CommanderError) return { code: "usage_invalid", message: error.message };
  return { code: "unexpected", message: errorMessage(error) };
}

function readVersion(): string {
  const content: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return z.object({ version: z.string() }).parse(content).version;
}

function processIo(): Omit<CommandIo, "setExitCode"> {
  return {
    print: (line) => void process.stdout.write(`${line}\n`),
    note: (line) => void process.stderr.write(`${line}\n`),
    terminal: process.stdout.isTTY && process.stderr.isTTY ? process.stderr : null,
    confirm: process.stdin.isTTY && process.stderr.isTTY ? confirmOnTerminal : null,
    choose: process.stdin.isTTY && process.stderr.isTTY ? chooseOnTerminal : null,
    findPackageRoot,
    folder: process.cwd(),
    environment: process.env,
    fetch: globalThis.fetch,
    clock: {
      now: Date.now,
      sleep: async (milliseconds, signal) => sleep(milliseconds, undefined, { ...(signal && { signal }) }),
    },
    drawSeed: () => randomInt(2 ** 31),
    onInterrupt,
  };
}

// A reader that has seen enough (| head) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
