import { tmpdir } from "node:os";
import type { CommandIo } from "../../cli/command-io.ts";
import { main } from "../../cli/main.ts";
import type { ClerkStandIn } from "./clerk-stand-in/start-clerk-stand-in.ts";
import type { LocalSettings } from "./server-process.ts";

export type CliRun = { exitCode: number; stdout: string; stderr: string };

/** Runs a command of the command line in this process; it sees only the variables given and sleeps a hundredth. */
export async function runCli(
  args: readonly string[],
  environment: CommandIo["environment"],
  changes: Partial<CommandIo> = {},
): Promise<CliRun> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds / 100));
  const exitCode = await main(args, {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    terminal: null,
    folder: tmpdir(),
    environment,
    clock: { now: Date.now, sleep },
    listenForInterrupt: () => new AbortController().signal,
    ...changes,
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n") };
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
