import { hashContent, type InstalledFile } from "./manifest.ts";
import type { Project } from "./read-project.ts";
import type { SourceFile } from "./read-sources.ts";

/** What happens to one file; `content` is what will be written, `why` says what is not obvious. */
export type PlannedFile = {
  path: string;
  state: "add" | "update" | "unchanged" | "conflict" | "overwrite" | "remove" | "keep";
  content?: string;
  why?: string;
};

/** What the user decided about a path where something else stands: to take ours, to keep theirs, or nothing yet. */
export type Decide = (path: string) => "overwrite" | "keep" | null;

export const keptReason = "yours, as you decided; --overwrite with its name takes ours";

/** Plans the files that are installed under a fixed name, and takes out those that this version has no more. */
export function planFiles(sources: readonly SourceFile[], project: Project, decide: Decide): PlannedFile[] {
  const installed = project.manifest?.files ?? [];
  const known = new Map(installed.map((entry) => [entry.path, entry]));
  const current = new Set(sources.map((source) => source.path));
  const obsolete = installed.filter((entry) => !current.has(entry.path) && project.files.has(entry.path));
  return [
    ...sources.map((source) => planFile(source, project.files.get(source.path), known.get(source.path), decide)),
    ...obsolete.map((entry) => planDeletion(entry, project)),
  ];
}

/** Takes a file out if it is still what was installed. */
export function planDeletion({ path, sha256 }: Omit<InstalledFile, "source">, project: Project): PlannedFile {
  const isOurs = hashContent(project.files.get(path) ?? "") === sha256;
  return isOurs ? { path, state: "remove" } : { path, state: "keep", why: "changed by you" };
}

function planFile(
  { path, content }: SourceFile,
  present: string | undefined,
  installed: InstalledFile | undefined,
  decide: Decide,
): PlannedFile {
  if (present === undefined) return { path, state: "add", content };
  const sha256 = hashContent(present);
  if (sha256 === hashContent(content)) return { path, state: "unchanged" };
  const decision = decide(path);
  if (decision === "keep") return { path, state: "keep", why: keptReason };
  if (sha256 === installed?.sha256) return { path, state: "update", content };
  const why = installed === undefined ? "there before, not ours" : "changed by you";
  return decision === "overwrite" ? { path, state: "overwrite", content, why } : { path, state: "conflict", why };
}
