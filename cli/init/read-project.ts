import { existsSync } from "node:fs";
import { readdir, readFile, realpath } from "node:fs/promises";
import path from "node:path";
import { SyncError } from "#core/errors.ts";
import { type Manifest, manifestPath, parseManifest } from "./manifest.ts";
import { resolveInside } from "./resolve-inside.ts";

export const configPath = "supabase/config.toml";
export const migrationsPath = "supabase/migrations";
/** Where `supabase link` notes the project. */
const refPath = "supabase/.temp/project-ref";

/** What a Supabase project holds of all that concerns an installation. Paths are relative, with / between names. */
export type Project = {
  config: string;
  manifest: Manifest | null;
  /** The text of each file asked for, and of each migration; a file that does not exist is not in it. */
  files: ReadonlyMap<string, string>;
  /** Those folders above them that exist. */
  folders: ReadonlySet<string>;
  /** The ref of the hosted project that it is linked to, if it is. */
  ref: string | null;
};

/** Whether this is a project without supabase/: its server is one of its own. */
export function isServerProject(folder: string): boolean {
  const isSupabase = existsSync(path.join(folder, configPath)) || existsSync(path.join(folder, "config.toml"));
  return !isSupabase && existsSync(path.join(folder, "package.json"));
}

/** The folder that holds supabase/config.toml, by its real path. Throws SyncError `project_not_found`. */
export async function findProject(folder: string): Promise<string> {
  const isInsideSupabase = path.basename(folder) === "supabase" && existsSync(path.join(folder, "config.toml"));
  const found = isInsideSupabase ? path.dirname(folder) : folder;
  if (existsSync(path.join(found, configPath))) return realpath(found);
  throw new SyncError(
    "project_not_found",
    `There is no ${configPath} in ${folder}, and no package.json. Run it in the folder of your app, or name it with --project. For a new Supabase project run \`npx supabase init\` first.`,
  );
}

/**
 * Reads the project and the files named, besides those its manifest names. Throws SyncError `path_unusable` where one
 * of them leads outside or is no file, `project_invalid` where the manifest cannot be read.
 */
export async function readProject(folder: string, paths: readonly string[]): Promise<Project> {
  const manifestText = await readText(folder, manifestPath);
  const manifest = manifestText === null ? null : parseManifest(manifestText);
  const known = manifest === null ? [] : listInstalled(manifest);
  const all = [...new Set([...paths, ...known, ...(await listMigrations(folder)), manifestPath])].sort();
  const files = new Map<string, string>();
  for (const file of all) {
    const text = await readText(folder, file);
    if (text !== null) files.set(file, text);
  }
  const folders = [...new Set(all.flatMap(listFoldersAbove))].filter((each) => existsSync(path.join(folder, each)));
  const [config, ref] = [await readText(folder, configPath), await readText(folder, refPath)];
  return { config: config ?? "", manifest, files, folders: new Set(folders), ref: ref?.trim() || null };
}

function listInstalled({ files, migrations, configuration }: Manifest): string[] {
  return [...files, ...migrations, ...(configuration === undefined ? [] : [configuration])].map((file) => file.path);
}

/** The folders above a relative path, the outermost first. */
export function listFoldersAbove(file: string): string[] {
  const names = file.split("/").slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}

async function listMigrations(folder: string): Promise<string[]> {
  const target = await resolveInside(folder, migrationsPath);
  if (!existsSync(target)) return [];
  const entries = await readdir(target, { withFileTypes: true });
  const names = entries.filter((entry) => !entry.isDirectory() && entry.name.endsWith(".sql"));
  return names.map((entry) => `${migrationsPath}/${entry.name}`);
}

async function readText(folder: string, file: string): Promise<string | null> {
  const target = await resolveInside(folder, file);
  try {
    return await readFile(target, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SyncError("path_unusable", `${file} cannot be used: ${reason}. Nothing was written.`, { cause });
  }
}
