import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./cli-with-memory.ts", import.meta.url));
/** Too small a heap for a command that keeps the users it reads: it would die of 20,000 of them. */
const smallHeap = ["--max-old-space-size=36", "--max-semi-space-size=2"];

export type CliProcess = {
  process: ChildProcess;
  /** Its exit code, null after a kill, and what it wrote. */
  ended: Promise<{ exitCode: number | null; stdout: string; stderr: string }>;
};

/** Runs a command of the command line as a process of its own, with only the variables given. */
export function spawnCli(args: readonly string[], env: Record<string, string | undefined>): CliProcess {
  const child = spawn(process.execPath, [...smallHeap, script, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, "close").then(([code]) => ({ exitCode: code as number | null, ...output }));
  return { process: child, ended };
}
