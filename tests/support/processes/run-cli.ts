import type { CommandIo } from "../../../cli/command-io.ts";
import type { ClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { type CommandRun, runCommand } from "./run-command.ts";
import type { LocalSettings } from "./server-process.ts";

/** Runs a command in this process with these variables; it sleeps a hundredth of what it means to. */
export function runCli(
  args: readonly string[],
  environment: CommandIo["environment"],
  changes: Partial<CommandIo> = {},
): Promise<CommandRun> {
  const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds / 100));
  return runCommand(args, { terminal: null, environment, clock: { now: Date.now, sleep }, ...changes });
}

/** The options that name a server, and the variables that name its Clerk instance. */
export function cliFor({ url, secretKey }: LocalSettings, clerk: ClerkStandIn) {
  const options = ["--url", url, "--secret-key", secretKey];
  const environment = { CLERK_SECRET_KEY: clerk.secretKey, CLERK_API_URL: clerk.url };
  return {
    environment,
    options,
    run: (...args: string[]) => runCli([...args, ...options], environment),
    /** The same with --json, parsed. */
    json: async (...args: string[]) => {
      const done = await runCli([...args, "--json", ...options], environment);
      if (done.stdout === "") throw new Error(done.stderr);
      return { exitCode: done.exitCode, summary: JSON.parse(done.stdout) };
    },
  };
}
