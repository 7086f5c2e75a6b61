import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { createTestFolder } from "./test-folder.ts";

const mainFile = fileURLToPath(new URL("../../../local/main.ts", import.meta.url));

export type LocalSettings = { url: string; databaseUrl: string; webhookSecret: string; secretKey: string };

export type ServerProcess = {
  process: ChildProcess;
  /** Everything it wrote to standard output and error so far. */
  output: () => string;
  /** Sends a signal and waits for the end; the exit code, or null after a kill. */
  end: (signal: NodeJS.Signals) => Promise<number | null>;
};

/** A folder to run servers in, each with `.clerk-sync` inside, and a port that was free a moment ago. */
export async function createServerFolder() {
  const folder = await createTestFolder();
  return { ...folder, port: await findFreePort() };
}

/** Spawns `node local/main.ts` as npm start does, with only the variables given. */
export function spawnServer(folder: string, env: Record<string, string>): ServerProcess {
  return spawnProgram([process.execPath, mainFile], folder, env);
}

/** Spawns a program in a folder, with PATH and only the variables given. */
export function spawnProgram(command: readonly string[], folder: string, env: Record<string, string>): ServerProcess {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => chunks.push(text));
  const closed = once(child, "close");
  return {
    process: child,
    output: () => chunks.join(""),
    end: async (signal) => {
      child.kill(signal);
      const [code] = await closed;
      return code;
    },
  };
}

/** Waits for the end of a server that is expected to refuse; its exit code. */
export async function waitForExit(server: ServerProcess): Promise<number | null> {
  if (server.process.exitCode !== null) return server.process.exitCode;
  const [code] = await once(server.process, "close");
  return code;
}

/** Waits until a process has written this text; fails when it ends before. */
export async function waitForOutput(server: ServerProcess, text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const check = () => server.output().includes(text) && resolve();
    server.process.stdout?.on("data", check);
    server.process.once("close", () => reject(new Error(`the server ended:\n${server.output()}`)));
    check();
  });
}

/** Spawns a server and waits until it says that it runs. */
export async function startServerProcess(folder: string, env: Record<string, string>) {
  const server = spawnServer(folder, env);
  await waitForOutput(server, "clerk-supabase-sync is running");
  const content = await readFile(path.join(folder, ".clerk-sync", "local.json"), "utf8");
  return { ...server, settings: JSON.parse(content) as LocalSettings };
}

export async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
