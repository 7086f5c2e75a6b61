import { formatManifest, hashContent, type Manifest, manifestPath, mappingOf } from "./manifest.ts";
import { type Decide, type PlannedFile, planFiles } from "./plan-files.ts";
import { planMigrations } from "./plan-migrations.ts";
import { type PlannedSection, planSections } from "./plan-sections.ts";
import { configPath, listFoldersAbove, type Project } from "./read-project.ts";
import type { Sources } from "./read-sources.ts";

/** All that a run would do. `writes` and `deletes` are carried out in this order; `folders` go if they are empty. */
export type Plan = {
  files: PlannedFile[];
  sections: PlannedSection[];
  writes: { path: string; content: string }[];
  deletes: string[];
  folders: string[];
};

/** Plans an installation, a repeated one or an upgrade. Throws SyncError `project_invalid`. */
export function planInstallation(sources: Sources, project: Project, now: number, decide: Decide): Plan {
  const migrations = planMigrations(sources.migrations, project, now);
  const files = [...migrations.files, ...planFiles(sources.files, project, decide)];
  const config = planSections(project.config, sources.sections, project.manifest?.sections ?? [], decide(configPath));
  const writes = files.flatMap(({ path, content }) => (content === undefined ? [] : [{ path, content }]));
  if (config.text !== project.config) writes.push({ path: configPath, content: config.text });

  const manifest: Manifest = {
    version: sources.version,
    migrations: migrations.installed,
    files: sources.files.map(({ source, path, content }) => ({ source, path, sha256: hashContent(content) })),
    sections: config.installed,
    folders: listNewFolders(writes, project),
    kept: [...sources.files.map(({ path }) => path), configPath].filter((path) => decide(path) === "keep"),
    ...mappingOf(project.files.get(manifestPath)),
  };
  const text = formatManifest(manifest);
  // The manifest comes last: a file that was written without it is recognised by its content.
  if (hashContent(text) !== hashContent(project.files.get(manifestPath) ?? "")) {
    writes.push({ path: manifestPath, content: text });
    files.push({ path: manifestPath, state: project.manifest === null ? "add" : "update" });
  }
  const deletes = files.flatMap(({ path, state }) => (state === "remove" ? [path] : []));
  return { files, sections: config.sections, writes, deletes, folders: listFoldersOf(deletes, manifest.folders) };
}

/** The folders of ours above those files, the innermost first. */
export function listFoldersOf(files: readonly string[], ours: readonly string[]): string[] {
  const above = new Set(files.flatMap(listFoldersAbove));
  return ours.filter((folder) => above.has(folder)).toSorted((left, right) => right.length - left.length);
}

/** The folders that this installation makes, and those that earlier ones made. */
function listNewFolders(writes: readonly { path: string }[], project: Project): string[] {
  const made = writes.flatMap(({ path }) => listFoldersAbove(path)).filter((folder) => !project.folders.has(folder));
  return [...new Set([...(project.manifest?.folders ?? []), ...made])].sort();
}
