import { parseConfig, readFunctionTable } from "./config-text.ts";
import { type Manifest, manifestPath } from "./manifest.ts";
import { type PlannedFile, planDeletion } from "./plan-files.ts";
import { listFoldersOf, type Plan } from "./plan-installation.ts";
import { type PlannedSection, planSectionRemoval } from "./plan-sections.ts";
import { configPath, type Project } from "./read-project.ts";

const emptyPlan: Plan = { files: [], sections: [], writes: [], deletes: [], folders: [] };

/**
 * Plans to take out what the manifest says was put in and is still as it was put in. Migrations stay unless
 * `withMigrations`: without the files of pushed ones `supabase db push` refuses to work.
 */
export function planRemoval(project: Project, withMigrations: boolean): Plan {
  const { manifest } = project;
  if (manifest === null) return emptyPlan;
  const files = [
    ...manifest.migrations.map((entry) => (withMigrations ? planDeletion(entry, project) : keepMigration(entry.path))),
    ...manifest.files.map((entry) => planDeletion(entry, project)),
    ...(manifest.configuration === undefined ? [] : [planDeletion(manifest.configuration, project)]),
  ].filter((file) => project.files.has(file.path));
  files.push({ path: manifestPath, state: "remove" });

  const { sections, text } = planSectionRemoval(project.config, manifest.sections);
  const deletes = files.flatMap(({ path, state }) => (state === "remove" ? [path] : []));
  return {
    files,
    sections: [...sections, ...listOtherSections(project.config, manifest)],
    writes: text === project.config ? [] : [{ path: configPath, content: text }],
    deletes,
    folders: listFoldersOf(
      [...manifest.files, ...manifest.migrations].map((entry) => entry.path),
      manifest.folders,
    ),
  };
}

function keepMigration(path: string): PlannedFile {
  return { path, state: "keep", why: "it may have been pushed; --migrations removes it" };
}

/** Sections of the owner's own for functions that go. */
function listOtherSections(config: string, { files, sections }: Manifest): PlannedSection[] {
  const ours = new Set(sections.map(({ name }) => name));
  const names = files.flatMap(({ path }) => /^supabase\/functions\/([^/_]+)\/index\.ts$/.exec(path)?.[1] ?? []);
  const others = names.filter((name) => !ours.has(name) && readFunctionTable(parseConfig(config), name) !== null);
  return others.map((name) => ({ name, state: "keep", why: "it was there before" }));
}
