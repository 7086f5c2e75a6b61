import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, chown, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import { errorMessage, SyncError } from "#core/errors.ts";
import { findBinaries, findPostgresUser, type PostgresBinaries, type PostgresUser } from "./binaries.ts";

type EmbeddedPostgresOptions = {
  /** Data folder; made when it is not there, kept when we stop. */
  folder: string;
  /** npm package with the binaries, or a folder that holds them; another PostgreSQL in tests. */
  packageName?: string;
  /** Port of 127.0.0.1; a free one when it is not given. */
  port?: number;
  /** Letters, digits, `-` and `_`; a new one when it is not given. */
  password?: string;
  /** Extra `-c name=value` settings. */
  settings?: Readonly<Record<string, string>>;
};

export type EmbeddedPostgres = {
  /** postgres://… of the database `postgres`, with the password. */
  url: string;
  /** The postmaster's process id. */
  pid: number;
  /** Resolves when the server has ended, for whatever reason. */
  ended: Promise<void>;
  /** Fast shutdown: open transactions are rolled back, everything committed is on disk. */
  stop: () => Promise<void>;
};

const run = promisify(execFile);
const startTimeoutMilliseconds = 30_000;

/**
 * Starts a PostgreSQL of our own on a free port of 127.0.0.1, in its own process group.
 * Throws SyncError `data_folder_unusable`, `data_folder_in_use` or `postgres_failed` with the way out.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const folder = path.resolve(options.folder);
  const binaries = await findBinaries(options.packageName);
  const { prefix, ...user } = await findPostgresUser([folder, binaries.postgres]);
  const password = options.password ?? newDatabasePassword();
  await initialise(folder, binaries, { prefix, ...user });
  await lock(folder, binaries, { prefix, ...user }, password);
  const port = options.port ?? (await findFreePort());
  const [program = "", ...args] = [
    ...prefix,
    binaries.postgres,
    ...postgresArguments(folder, port, options.settings ?? {}),
  ];
  const server = spawn(program, args, {
    ...user,
    cwd: folder,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  await waitUntilReady(server, folder);
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    pid: server.pid ?? 0,
    ended: once(server, "exit").then(() => undefined),
    stop: () => stop(server),
  };
}

function postgresArguments(folder: string, port: number, settings: Readonly<Record<string, string>>): string[] {
  const all = { listen_addresses: "127.0.0.1", unix_socket_directories: "", max_connections: "100", ...settings };
  const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return ["-D", folder, "-p", String(port), ...flags];
}

/** Makes the cluster, unless the folder holds one. Its owner must be whom PostgreSQL runs as. */
async function initialise(folder: string, binaries: PostgresBinaries, postgresUser: PostgresUser): Promise<void> {
  const { prefix, ...user } = postgresUser;
  try {
    await mkdir(folder, { recursive: true });
    if (await exists(path.join(folder, "PG_VERSION"))) return;
    if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid);
    await chmod(folder, 0o700);
    const options = ["--username=postgres", "--auth=reject", "--encoding=UTF8", "--locale=C"]; // until lock()
    const [program = "", ...args] = [...prefix, binaries.initdb, "-D", folder, ...options];
    await run(program, args, { ...user, cwd: folder });
  } catch (cause) {
    throw new SyncError(
      "data_folder_unusable",
      `The data folder ${folder} cannot be used: ${firstLine(cause)}\nMake it writable and every folder above it enterable, or remove the folder .clerk-sync (its local data is lost).`,
      { cause },
    );
  }
}

/** The marks of a password of ours: a `databaseUrl` of somebody else's has another. */
const passwordPattern = /^local_[\w-]{32}$/;

export function newDatabasePassword(): string {
  return `local_${randomBytes(24).toString("base64url")}`;
}

/** The password in a URL that startEmbeddedPostgres answered; null for any other URL. */
export function readDatabasePassword(url: string): string | null {
  const password = URL.parse(url)?.password ?? "";
  return passwordPattern.test(password) ? password : null;
}

const accessRules = `# Written by clerk-supabase-sync at each start.
local all all              scram-sha-256
host  all all 127.0.0.1/32 scram-sha-256
`;

/**
 * Has PostgreSQL ask everybody for this password: each user of the machine reaches the port. It is done at each start,
 * so that data of an earlier version, which let everybody in, and a lost local.json need nothing else. The password
 * goes through the standard input of PostgreSQL's single-user mode: arguments are seen by all users.
 */
async function lock(
  folder: string,
  binaries: PostgresBinaries,
  { prefix, ...user }: PostgresUser,
  password: string,
): Promise<void> {
  const [program = "", ...args] = [...prefix, binaries.postgres, "--single", "-D", folder, "postgres"];
  const postgres = spawn(program, args, { ...user, cwd: folder, detached: true, stdio: ["pipe", "ignore", "pipe"] });
  const log: string[] = [];
  postgres.stderr.setEncoding("utf8").on("data", (text: string) => log.push(text));
  postgres.stdin.on("error", () => undefined); // it ended before it read; its log says why
  postgres.stdin.end(`alter role postgres password '${password}'\n`);
  const [code] = await once(postgres, "close").catch((cause: unknown) => {
    throw new SyncError("postgres_failed", errorMessage(cause), { cause });
  });
  if (code !== 0 || /^.*(ERROR|FATAL|PANIC): /m.test(log.join(""))) throw startError(folder, log.join(""));
  await writeFile(path.join(folder, "pg_hba.conf"), accessRules);
}

async function waitUntilReady(server: ChildProcess, folder: string): Promise<void> {
  const log: string[] = [];
  const ready = new Promise<void>((resolve, reject) => {
    server.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log.push(text);
      if (text.includes("database system is ready to accept connections")) resolve();
    });
    server.once("error", reject);
    server.once("exit", () => reject(startError(folder, log.join(""))));
    setTimeout(() => reject(startError(folder, log.join(""))), startTimeoutMilliseconds).unref();
  });
  try {
    await ready;
  } catch (cause) {
    server.kill("SIGKILL");
    throw cause instanceof SyncError ? cause : new SyncError("postgres_failed", errorMessage(cause), { cause });
  } finally {
    // From here on the log is read and dropped: a full pipe would stop PostgreSQL.
    server.removeAllListeners("exit");
    server.stderr?.removeAllListeners("data").resume();
  }
}

function startError(folder: string, log: string): SyncError {
  if (log.includes("postmaster.pid")) {
    return new SyncError(
      "data_folder_in_use",
      `The data folder ${folder} is in use by another PostgreSQL. Stop that one first.`,
    );
  }
  const reason = log.match(/(?:FATAL|PANIC|ERROR):\s*(.*)/)?.[1] ?? "it ended without a reason";
  return new SyncError(
    "data_folder_unusable",
    `PostgreSQL cannot start on ${folder}: ${reason}.\nTo start over, remove the folder .clerk-sync (its local data is lost), or set DATABASE_URL.`,
  );
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, "exit");
  server.kill("SIGINT");
  await exited;
}

/**
 * Stops the PostgreSQL that a killed server left behind in this folder, by the id in its postmaster.pid.
 * Returns true when there was one.
 */
export async function stopOrphan(folder: string): Promise<boolean> {
  const content = await readFile(path.join(folder, "postmaster.pid"), "utf8").catch(() => "");
  const [pidLine, dataFolder] = content.split("\n");
  const pid = Number(pidLine);
  if (!Number.isInteger(pid) || pid < 2 || dataFolder !== path.resolve(folder)) return false;
  const command = await readCommand(pid);
  if (!command.includes("postgres")) {
    // The id is somebody else's by now (usual in containers); PostgreSQL would take it for a running server.
    await rm(path.join(folder, "postmaster.pid"), { force: true });
    return false;
  }
  if (!command.includes(path.resolve(folder))) return false;
  process.kill(pid, "SIGINT");
  for (let waited = 0; isAlive(pid) && waited < startTimeoutMilliseconds; waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}

/** The command line of a process; empty when there is none, or it cannot be asked. */
async function readCommand(pid: number): Promise<string> {
  const fromProc = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => null);
  if (fromProc !== null) return fromProc;
  return run("ps", ["-o", "command=", "-p", String(pid)]).then(
    ({ stdout }) => stdout,
    () => "",
  );
}

/** True while a process of this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  probe.close();
  await once(probe, "close");
  return port;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

function firstLine(thrown: unknown): string {
  const stderr = (thrown as { stderr?: string }).stderr?.trim();
  return (stderr || errorMessage(thrown)).split("\n").at(-1) ?? "";
}
