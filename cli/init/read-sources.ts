import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { errorMessage, SyncError } from "#core/errors.ts";
import { type FunctionSection, parseConfig } from "./config-text.ts";

/** A file to install: its path in this package, its path in the project, its text. */
export type SourceFile = { source: string; path: string; content: string };

/** A migration to install; `name` is what follows the number, such as `users.sql`. */
export type SourceMigration = { source: string; name: string; content: string };

/** All that this version installs. The last migration is the one that says the schema's version. */
export type Sources = {
  version: string;
  migrations: readonly SourceMigration[];
  files: readonly SourceFile[];
  sections: readonly FunctionSection[];
};

const configSchema = z.object({
  functions: z.record(z.string(), z.record(z.string(), z.union([z.string(), z.boolean()]))),
});

/** Reads what is to be installed from the package's folder. Throws SyncError `package_incomplete`. */
export async function readSources(root: string, withGithub: boolean): Promise<Sources> {
  try {
    const functions = await listFunctions(root);
    const folders = [...functions, "_shared/clerk-sync"].map((name) => `supabase/functions/${name}`);
    const paths = (await Promise.all(folders.map((folder) => listFiles(root, folder)))).flat();
    return {
      version: z.object({ version: z.string() }).parse(JSON.parse(await read(root, "package.json"))).version,
      migrations: await readMigrations(root),
      files: [
        ...(await readFiles(root, paths, (source) => source)),
        ...(await readTests(root)),
        ...(withGithub ? await readWorkflows(root) : []),
      ],
      sections: await readSections(root, functions),
    };
  } catch (cause) {
    const message = `${root} cannot be installed from: ${errorMessage(cause)}. Install clerk-supabase-sync again.`;
    throw new SyncError("package_incomplete", message, { cause });
  }
}

/** The SQL that drops what the migrations made, except for public.users. Throws SyncError `package_incomplete`. */
export async function readDropSql(root: string): Promise<string> {
  return read(root, "templates/sql/drop.sql").catch((cause: unknown) => {
    const message = `templates/sql/drop.sql cannot be read: ${errorMessage(cause)}. Install clerk-supabase-sync again.`;
    throw new SyncError("package_incomplete", message, { cause });
  });
}

/** The functions are the folders that Supabase deploys: those with an index.ts and no leading underscore. */
async function listFunctions(root: string): Promise<string[]> {
  const files = await listFiles(root, "supabase/functions");
  return files.flatMap((file) => /^supabase\/functions\/([A-Za-z][\w-]*)\/index\.ts$/.exec(file)?.[1] ?? []);
}

async function readMigrations(root: string): Promise<SourceMigration[]> {
  const sources = (await listFiles(root, "supabase/migrations")).filter((source) => source.endsWith(".sql"));
  const name = (source: string) => path.posix.basename(source).replace(/^\d+_/, "");
  return Promise.all(
    sources.map(async (source) => ({ source, name: name(source), content: await read(root, source) })),
  );
}

async function readTests(root: string): Promise<SourceFile[]> {
  const sources = (await listFiles(root, "supabase/tests")).filter((source) => source.endsWith("_test.sql"));
  return readFiles(root, sources, (source) => source.replace("supabase/tests/", "supabase/tests/clerk_sync_"));
}

async function readWorkflows(root: string): Promise<SourceFile[]> {
  const folder = "templates/github";
  const sources = await listFiles(root, folder);
  if (sources.length === 0) throw new Error(`${folder} holds no workflow files`);
  return readFiles(root, sources, (source) => source.replace(folder, ".github/workflows"));
}

async function readSections(root: string, functions: readonly string[]): Promise<FunctionSection[]> {
  const config = configSchema.parse(parseConfig(await read(root, "supabase/config.toml")));
  return functions.map((name) => {
    const values = config.functions[name];
    if (values === undefined) throw new Error(`supabase/config.toml has no section [functions.${name}]`);
    return { name, values };
  });
}

async function readFiles(
  root: string,
  sources: readonly string[],
  toPath: (source: string) => string,
): Promise<SourceFile[]> {
  return Promise.all(
    sources.map(async (source) => ({ source, path: toPath(source), content: await read(root, source) })),
  );
}

/** The files below a folder, sorted, with / between names; without hidden ones and without our unit tests. */
async function listFiles(root: string, folder: string): Promise<string[]> {
  const entries = await readdir(path.join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith(".") && !entry.name.endsWith(".test.ts"))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/"))
    .sort();
}

async function read(root: string, source: string): Promise<string> {
  return readFile(path.join(root, source), "utf8");
}
