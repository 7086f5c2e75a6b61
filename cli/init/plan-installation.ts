import { saveMapping } from "../../mapping/saved-mapping.ts";
import { formatManifest, hashContent, type Manifest, manifestPath } from "./manifest.ts";
import { type Decide, type PlannedFile, planFiles } from "./plan-files.ts";
import type { PlannedMapping } from "./plan-mapping.ts";
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

/**
 * Plans an installation, a repeated one or an upgrade. The configuration that was proposed is written once, and is the
 * project's own from then on. Throws SyncError `project_invalid`.
 */
export function planInstallation(
  sources: Sources,
  project: Project,
  { mapping, columns, file: configuration }: Omit<PlannedMapping, "lines">,
  now: number,
  decide: Decide,
): Plan {
  const migrations = planMigrations(sources.migrations, project, now);
  const files = [...migrations.files, ...planFiles(sources.files, project, decide)];
  const config = planSections(project.config, sources.sections, project.manifest?.sections ?? [], decide(configPath));
  const writes = files.flatMap(({ path, content }) => (content === undefined ? [] : [{ path, content }]));
  if (config.text !== project.config) writes.push({ path: configPath, content: config.text });
  if (configuration !== null) {
    writes.push(configuration);
    files.push({ path: configuration.path, state: "add" });
  }

  const manifest: Manifest = {
    version: sources.version,
    migrations: migrations.installed,
    files: sources.files.map(({ source, path, content }) => ({ source, path, sha256: hashContent(content) })),
    sections: config.installed,
    folders: listNewFolders(writes, project),
    kept: [...sources.files.map(({ path }) => path), configPath].filter((path) => decide(path) === "keep"),
    configuration: noteConfiguration(configuration, project),
    mapping: saveMapping(mapping, columns),
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

function noteConfiguration(written: PlannedMapping["file"], { manifest }: Project): Manifest["configuration"] {
  if (written === null) return manifest?.configuration;
  return { path: written.path, sha256: hashContent(written.content) };
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
