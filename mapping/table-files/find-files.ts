import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";

/** Files of a project that may say which tables it has; paths are relative, with / between names. */
export type ProjectFiles = {
  /** Migrations and the like, folder by folder, in the order in which they run. */
  sql: readonly { folder: string; files: readonly string[] }[];
  /** Schemas of Prisma, each of one file or of several. */
  prisma: readonly { name: string; files: readonly string[] }[];
  /** Modules that import Drizzle's functions for PostgreSQL, by the configuration above them. */
  drizzle: readonly { config: string | null; files: readonly string[] }[];
  /** All modules: a schema imports from others. */
  modules: ReadonlySet<string>;
};

/** Neither what others wrote, nor what is built, nor what a test needs. */
const skipped = new Set([
  "node_modules",
  "dist",
  "build",
  "coverage",
  "vendor",
  "test",
  "tests",
  "__tests__",
  "fixtures",
]);
const mostFiles = 20_000;
const mostBytes = 1_000_000;

export async function findFiles(folder: string): Promise<ProjectFiles> {
  const all = await listFiles(folder);
  const modules = all.filter((file) => /\.[mc]?[jt]s$/.test(file) && !file.endsWith(".d.ts"));
  return {
    sql: groupSql(all),
    prisma: await groupPrisma(folder, all),
    drizzle: await groupDrizzle(folder, all, modules),
    modules: new Set(modules),
  };
}

async function listFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  const open = [""];
  for (let next = open.shift(); next !== undefined && found.length < mostFiles; next = open.shift()) {
    const entries = await readdir(path.join(folder, next), { withFileTypes: true }).catch((cause: unknown) => {
      // the data of a database in the folder, for instance, belongs to another user
      if (cause instanceof Error && "code" in cause && ["EACCES", "EPERM", "ENOENT"].includes(String(cause.code)))
        return [];
      throw cause;
    });
    for (const entry of entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
      const name = path.posix.join(next, entry.name);
      if (entry.isDirectory() && !entry.name.startsWith(".") && !skipped.has(entry.name)) open.push(name);
      if (entry.isFile()) found.push(name);
    }
  }
  return found;
}

/** A file that is larger than any schema is not read. */
export async function readProjectFile(folder: string, file: string): Promise<string> {
  const full = path.join(folder, file);
  const { size } = await stat(full);
  return size > mostBytes ? "" : (await readFile(full, "utf8")).replace(/^\uFEFF/, "");
}

function groupSql(all: readonly string[]): ProjectFiles["sql"] {
  const groups = new Map<string, string[]>();
  for (const file of all) {
    const folder = folderOfMigration(file);
    if (folder !== null) groups.set(folder, [...(groups.get(folder) ?? []), file]);
  }
  return [...groups]
    .map(([folder, files]) => ({ folder, files: files.toSorted(compareMigrations) }))
    .toSorted((one, other) => rankOf(one.folder) - rankOf(other.folder) || (one.folder < other.folder ? -1 : 1));
}

/** `supabase/migrations/1_a.sql`, `prisma/migrations/1_a/migration.sql`, `drizzle/0000_a.sql`; null: it is none. */
function folderOfMigration(file: string): string | null {
  if (!file.endsWith(".sql") || /(?:^|[./])down\.sql$/i.test(file)) return null;
  const folder = path.posix.dirname(file);
  if (path.posix.basename(file) === "migration.sql") return path.posix.dirname(folder);
  if (/(?:^|\/)supabase\/schemas(?:\/|$)/.test(folder)) return folder.replace(/(supabase\/schemas).*$/, "$1");
  return /^(?:migrations?|migrate|drizzle)$/.test(path.posix.basename(folder)) ? folder : null;
}

function rankOf(folder: string): number {
  if (folder === "supabase/migrations") return 0;
  return folder.endsWith("supabase/schemas") ? 2 : 1;
}

/** By the number that a name begins with, then by the name. */
function compareMigrations(one: string, other: string): number {
  const number = (file: string) => BigInt(/(?:^|\/)v?(\d{1,40})[^/]*(?:\/migration\.sql)?$/i.exec(file)?.[1] ?? 0);
  const [first, second] = [number(one), number(other)];
  if (first !== second) return first < second ? -1 : 1;
  return one < other ? -1 : 1;
}

/** A file with a datasource is a schema, together with those of its folder that have none. */
async function groupPrisma(folder: string, all: readonly string[]): Promise<ProjectFiles["prisma"]> {
  const files = all.filter((file) => file.endsWith(".prisma"));
  const texts = await Promise.all(files.map((file) => readProjectFile(folder, file)));
  const mains = files.filter((_, index) => /^\s*datasource\s+\w+\s*\{/m.test(texts[index] ?? ""));
  const parts = files.filter((file) => !mains.includes(file));
  return mains.map((name) => {
    const below = `${path.posix.dirname(name)}/`;
    return { name, files: [name, ...parts.filter((file) => file.startsWith(below) || below === "./")] };
  });
}

/** A package of a workspace may have its dependencies above. */
const packagesAbove = ["../package.json", "../../package.json", "../../../package.json"];
const configName = /(?:^|\/)drizzle\.config\.\w+$/;

/** The text of a package.json that names workspaces, or has a pnpm-workspace.yaml beside it; else empty. */
async function readWorkspace(folder: string, file: string): Promise<string> {
  if (!existsSync(path.join(folder, file))) return "";
  const text = await readProjectFile(folder, file);
  const isOfPnpm = existsSync(path.join(folder, path.dirname(file), "pnpm-workspace.yaml"));
  return isOfPnpm || text.includes('"workspaces"') ? text : "";
}

async function groupDrizzle(
  folder: string,
  all: readonly string[],
  modules: readonly string[],
): Promise<ProjectFiles["drizzle"]> {
  const packages = all.filter((file) => path.posix.basename(file) === "package.json");
  const described = await Promise.all(packages.map((file) => readProjectFile(folder, file)));
  const above = await Promise.all(packagesAbove.map((file) => readWorkspace(folder, file)));
  const isUsed = [...described, ...above].some((text) => text.includes('"drizzle-orm"'));
  if (!isUsed && !modules.some((file) => configName.test(file))) return [];
  const texts = await Promise.all(modules.map((file) => readProjectFile(folder, file)));
  const files = modules.filter((_, index) => /["']drizzle-orm\/pg-core["']/.test(texts[index] ?? ""));
  const configs = modules.filter((file) => configName.test(file));
  const groups = new Map<string | null, string[]>();
  for (const file of files) {
    const config =
      configs
        .filter((each) => isBelow(file, path.posix.dirname(each)))
        .sort(byLength)
        .at(-1) ?? null;
    groups.set(config, [...(groups.get(config) ?? []), file]);
  }
  return [...groups].map(([config, each]) => ({ config, files: each }));
}

function isBelow(file: string, folder: string): boolean {
  return folder === "." || file.startsWith(`${folder}/`);
}

function byLength(one: string, other: string): number {
  return one.length - other.length;
}
