import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, chmod, chown, writeFile } from "node:fs/promises";
import path from "node:path";
import { findPostgresUser } from "../../../local/postgres/binaries.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { createTestFolder } from "../processes/test-folder.ts";

const program = "/usr/sbin/pgbouncer";

/** True when Debian's PgBouncer is installed; says so when not. */
export async function hasPgBouncer(): Promise<boolean> {
  const isHere = await access(program).then(
    () => true,
    () => false,
  );
  if (!isHere) console.log("skipped: these tests need the Debian package pgbouncer");
  return isHere;
}

export type PgBouncer = {
  /** The URL that was given, through the pooler. */
  url: string;
  stop: () => Promise<void>;
};

/** Starts a PgBouncer before the database of this URL, on a free port of 127.0.0.1. */
export async function startPgBouncer(
  databaseUrl: string,
  settings: Readonly<Record<string, string | number>>,
): Promise<PgBouncer> {
  const folder = await createTestFolder();
  const port = await findFreePort();
  const file = path.join(folder.path, "pgbouncer.ini");
  await writeFile(file, configuration(new URL(databaseUrl), { listen_port: port, ...settings }));
  const { prefix, ...user } = await findPostgresUser([file]); // PgBouncer refuses root, as PostgreSQL does
  if (user.uid !== undefined && user.gid !== undefined) {
    await chown(file, user.uid, user.gid);
    await chmod(file, 0o600);
  }
  const [command = program, ...args] = [...prefix, program, file];
  const process = spawn(command, args, { ...user, cwd: folder.path, stdio: ["ignore", "ignore", "pipe"] });
  await waitUntilReady(process);
  const url = new URL(databaseUrl);
  url.port = String(port);
  return {
    url: url.href,
    stop: async () => {
      if (process.exitCode === null) {
        const exited = once(process, "exit");
        process.kill("SIGTERM"); // ends without waiting for its clients
        await exited;
      }
      await folder.remove();
    },
  };
}

/** Whoever comes is let in as the user of the URL: how a pooler asks for passwords is not tested. */
function configuration(url: URL, settings: Readonly<Record<string, string | number>>): string {
  const password = url.password === "" ? "" : ` password=${decodeURIComponent(url.password)}`;
  const pooled = { listen_addr: "127.0.0.1", unix_socket_dir: "", auth_type: "any", ...settings };
  return [
    "[databases]",
    `* = host=${url.hostname} port=${url.port} user=${url.username}${password}`,
    "[pgbouncer]",
    ...Object.entries(pooled).map(([name, value]) => `${name} = ${value}`),
    "",
  ].join("\n");
}

async function waitUntilReady(process: ChildProcess): Promise<void> {
  const log: string[] = [];
  await new Promise<void>((resolve, reject) => {
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log.push(text);
      if (log.join("").includes("process up")) resolve();
    });
    process.once("error", reject);
    process.once("exit", () => reject(new Error(`pgbouncer ended:\n${log.join("")}`)));
  });
}
