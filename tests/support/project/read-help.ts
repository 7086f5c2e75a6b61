import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { main } from "../../../cli/main.ts";

const run = promisify(execFile);
const binaries = fileURLToPath(new URL("../../../node_modules/.bin/", import.meta.url));
const readers: Readonly<Record<string, (command: readonly string[]) => Promise<string>>> = {
  "clerk-sync": readOurHelp,
  supabase: readInstalledHelp,
  deno: readInstalledHelp,
};
const seen = new Map<string, Promise<string | null>>();

/** The help of a command of clerk-sync, or of an installed tool; null when there is no such command. */
export function readHelp(command: readonly string[]): Promise<string | null> {
  const name = command.join(" ");
  const help = seen.get(name) ?? findHelp(command, name);
  seen.set(name, help);
  return help;
}

/** Asked for an unknown command, some show the help of the one above it. */
async function findHelp([tool = "", ...words]: readonly string[], name: string): Promise<string | null> {
  const help = await readers[tool]?.([tool, ...words]);
  return help?.includes(name) ? help : null;
}

async function readOurHelp([, ...words]: readonly string[]): Promise<string> {
  const lines: string[] = [];
  await main([...words, "--help"], { print: (line) => void lines.push(line), note: () => undefined });
  return lines.join("\n");
}

async function readInstalledHelp([tool, ...words]: readonly string[]): Promise<string> {
  const env = { ...process.env, SUPABASE_TELEMETRY_DISABLED: "1", NO_COLOR: "1" };
  const ended = run(`${binaries}${tool}`, [...words, "--help"], { cwd: tmpdir(), env });
  return ended.then(
    ({ stdout }) => stdout,
    () => "",
  );
}
