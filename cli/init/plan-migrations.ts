import path from "node:path";
import { SyncError } from "#core/errors.ts";
import { hashContent, type InstalledFile, manifestPath } from "./manifest.ts";
import { numberMigrations } from "./number-migrations.ts";
import type { PlannedFile } from "./plan-files.ts";
import { migrationsPath, type Project } from "./read-project.ts";
import type { SourceMigration } from "./read-sources.ts";

/** The plan of the migrations, and the manifest's entries when it is carried out. */
type MigrationPlan = { files: PlannedFile[]; installed: InstalledFile[] };

/**
 * Plans the migrations in the order of `sources`. An installed file may have been pushed, so it is never changed: what
 * changed is installed again under a new number, which is harmless because each of ours can run twice.
 * Throws SyncError `project_invalid` where a commit before the first release was installed.
 */
export function planMigrations(sources: readonly SourceMigration[], project: Project, now: number): MigrationPlan {
  refuseEarlierCommit(sources, project);
  const found = sources.map((source) => findInstalled(source, project));
  const fresh = sources.filter((_, index) => found[index] === null);
  const added = numberSources(fresh, project, now);

  const known = found.filter((entry) => entry !== null);
  const paths = new Set(known.map((entry) => entry.path)); // of a source that was renamed, too
  const others = (project.manifest?.migrations ?? []).filter((entry) => !paths.has(entry.path));
  const installed = [...others, ...known, ...added.map(toEntry)];
  const files = [...known.map((entry) => planKnown(entry, sources, project)), ...added.map(({ file }) => file)];
  return { files, installed: installed.toSorted((left, right) => compare(left.path, right.path)) };
}

/** Before the first release there were other migrations. They are known by their numbers, which lie before our first one. */
function refuseEarlierCommit(sources: readonly SourceMigration[], project: Project): void {
  const number = (source: string) => /^\d{14}(?=_)/.exec(path.posix.basename(source))?.[0];
  const first = number(sources[0]?.source ?? "") ?? "";
  if ((project.manifest?.migrations ?? []).every(({ source }) => (number(source) ?? first) >= first)) return;
  throw new SyncError(
    "project_invalid",
    `A commit before the first release is installed here, as ${manifestPath} says, and no version can change it. Nothing was written. Take it out with \`clerk-sync init --remove --migrations\` and do what it prints, so that it is gone from the database, too; then run \`clerk-sync init\` again.`,
  );
}

/**
 * The installed file that holds a source as it is now, or null. One without an entry in the manifest is recognised by
 * its content, if it comes after what the manifest knows: an installation that broke off is gone on with, and a source
 * that has another name now is not installed again.
 */
function findInstalled({ source, content }: SourceMigration, project: Project): InstalledFile | null {
  const sha256 = hashContent(content);
  const entries = (project.manifest?.migrations ?? []).filter((entry) => entry.source === source);
  const newest = entries.toSorted((left, right) => compare(left.path, right.path)).at(-1);
  if (newest?.sha256 === sha256) return newest;
  const same = listMigrations(project).find(
    (file) => file > (newest?.path ?? "") && hashContent(project.files.get(file) ?? "") === sha256,
  );
  return same === undefined ? null : { source, path: same, sha256 };
}

type Added = { source: SourceMigration; file: PlannedFile & { content: string } };

function numberSources(sources: readonly SourceMigration[], project: Project, now: number): Added[] {
  const existing = listMigrations(project).flatMap((file) => /^\d+(?=_)/.exec(path.posix.basename(file))?.[0] ?? []);
  const remembered = (project.manifest?.migrations ?? []).map((entry) => path.posix.basename(entry.path).slice(0, 14));
  const numbers = numberMigrations(sources.length, [...existing, ...remembered], now);
  return sources.map((source, index) => {
    const file = `${migrationsPath}/${numbers[index]}_clerk_sync_${source.name}`;
    return { source, file: { path: file, state: "add", content: source.content } };
  });
}

function planKnown(entry: InstalledFile, sources: readonly SourceMigration[], project: Project): PlannedFile {
  const present = project.files.get(entry.path);
  const content = sources.find(({ source }) => source === entry.source)?.content ?? "";
  if (present === undefined) return { path: entry.path, state: "add", content, why: "it was missing" };
  if (hashContent(present) === entry.sha256) return { path: entry.path, state: "unchanged" };
  return { path: entry.path, state: "keep", why: "changed by you; an installed migration is never rewritten" };
}

function toEntry({ source, file }: Added): InstalledFile {
  return { source: source.source, path: file.path, sha256: hashContent(source.content) };
}

function listMigrations(project: Project): string[] {
  return [...project.files.keys()].filter((file) => path.posix.dirname(file) === migrationsPath).sort(compare);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
