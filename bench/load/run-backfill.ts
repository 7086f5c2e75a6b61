import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** Runs `clerk-sync backfill` in a process of its own; throws unless it says that every user is there. */
export async function runBackfill(args: readonly string[], env: Record<string, string>): Promise<void> {
  const child = spawn(process.execPath, [program, "backfill", "--json", ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`backfill ended with ${code}: ${output}`);
}
