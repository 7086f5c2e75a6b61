import { tmpdir } from "node:os";
import type { CommandIo } from "../../cli/command-io.ts";
import { main } from "../../cli/main.ts";

/** Runs the command line in this process, with only these environment variables. */
export async function runCommand(args: readonly string[], env: CommandIo["env"] = {}) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const exitCode = await main(args, {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    folder: tmpdir(),
    env,
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n") };
}
