import { createHash } from "node:crypto";
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const root = fileURLToPath(new URL("../", import.meta.url));
const source = path.join(root, "admin");
export const adminDist = path.join(source, "dist");
const stamp = ".sources";

/**
 * Builds the admin page into admin/dist: hashed assets, each also compressed by brotli and gzip. `base` is the path the
 * page will be served at. What was there stays until the new one is whole.
 */
export async function buildAdminPage(base = "/admin/"): Promise<void> {
  const hash = await hashSources(base);
  const fresh = `${adminDist}-${process.pid}`;
  try {
    await bundle(base, fresh);
    await compressAll(path.join(fresh, "assets"));
    await writeFile(path.join(fresh, stamp), hash);
    await rm(adminDist, { recursive: true, force: true });
    await rename(fresh, adminDist);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** Under vitest NODE_ENV is test, by which Vite would take the development build of React: twice as large, and slower. */
async function bundle(base: string, outDir: string): Promise<void> {
  const { build } = await import("vite"); // loaded only when something is built
  const environment = process.env["NODE_ENV"];
  process.env["NODE_ENV"] = "production";
  try {
    const configFile = path.join(source, "vite.config.ts");
    await build({ configFile, base, logLevel: "warn", build: { outDir, emptyOutDir: true } });
  } finally {
    if (environment === undefined) delete process.env["NODE_ENV"];
    else process.env["NODE_ENV"] = environment;
  }
}

/** Builds the page if it was never built, or from other sources. Returns whether it did. */
export async function ensureAdminPage(onBuild: () => void = () => undefined): Promise<boolean> {
  const built = await readFile(path.join(adminDist, stamp), "utf8").catch(() => null);
  if (built === (await hashSources("/admin/"))) return false;
  onBuild();
  await buildAdminPage();
  return true;
}

/** What the built page depends on: its sources, its configuration and the versions of its packages. */
async function hashSources(base: string): Promise<string> {
  const names = (await readdir(source, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((name) => !path.relative(source, name).startsWith("dist"));
  const hash = createHash("sha256").update(`${base}\0production`);
  for (const name of [...names.sort(), path.join(root, "package-lock.json")]) {
    hash.update(`\0${path.relative(root, name)}\0`).update(await readFile(name));
  }
  return hash.digest("hex");
}

async function compressAll(folder: string): Promise<void> {
  await Promise.all(
    (await readdir(folder)).map(async (name) => {
      const file = path.join(folder, name);
      const bytes = await readFile(file);
      const params = { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
      await writeFile(`${file}.br`, await promisify(brotliCompress)(bytes, { params }));
      await writeFile(`${file}.gz`, await promisify(gzip)(bytes, { level: 9 }));
    }),
  );
}
