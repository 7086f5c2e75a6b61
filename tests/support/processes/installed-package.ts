import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { buildPackage } from "../../../build/build-package.ts";
import { startInstalledRegistry } from "./installed-registry.ts";

const runFile = promisify(execFile);

export type InstalledPackage = {
  /** The folder it is installed in, with nothing else. */
  folder: string;
  /** What was built, before it was packed. */
  built: string;
  /** Environment of a process there: PATH finds `clerk-sync` and the Node of the tests. */
  env: Record<string, string>;
  remove: () => Promise<void>;
};

/**
 * Builds, packs and installs the package by this shell command, in an empty folder outside of the project, where
 * nothing is found that it does not bring. The command is the Dockerfile's, which reads /package/*.tgz.
 */
export async function installPackage(installCommand: string): Promise<InstalledPackage> {
  const temporary = await mkdtemp(path.join(tmpdir(), "clerk-sync-package-"));
  await chmod(temporary, 0o755); // for PostgreSQL's own user
  const remove = () => rm(temporary, { recursive: true, force: true });
  try {
    return { ...(await installInside(temporary, installCommand)), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function installInside(temporary: string, installCommand: string): Promise<Omit<InstalledPackage, "remove">> {
  const inside = (name: string) => path.join(temporary, name);
  const [built, tarballs, folder] = [inside("built"), inside("package"), inside("app")] as const;
  for (const name of [tarballs, folder]) await mkdir(name);
  const env = {
    PATH: [path.join(folder, "node_modules/.bin"), path.dirname(process.execPath), process.env["PATH"]].join(":"),
    HOME: process.env["HOME"] ?? temporary,
    npm_config_offline: "true",
  };
  await buildPackage(built);
  await runFile("npm", ["pack", built, "--pack-destination", tarballs], { cwd: temporary, env });
  const command = installCommand.replaceAll("/package/", `${tarballs}/`);
  const registry = await startInstalledRegistry(inside("npm"));
  await runFile("sh", ["-c", command], { cwd: folder, env: { ...env, npm_config_offline: "false", ...registry.env } });
  await registry.stop();
  return { folder, built, env };
}
