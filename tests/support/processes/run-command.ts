import { tmpdir } from "node:os";
import type { CommandIo } from "../../../cli/command-io.ts";
import { main } from "../../../cli/main.ts";

export type CommandRun = { exitCode: number; stdout: string; stderr: string };

/** Runs a command in this process, in a folder that holds no project and with no environment but the one given. */
export async function runCommand(args: readonly string[], changes: Partial<CommandIo> = {}): Promise<CommandRun> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const exitCode = await main(args, {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    folder: tmpdir(),
    environment: {},
    ...changes,
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n") };
}
