import { SyncError } from "#core/errors.ts";
import type { Decide } from "./plan-files.ts";

/** `--overwrite`: absent, plain, or with paths; `--keep` with paths; and those that an earlier run kept. */
export type GivenDecisions = {
  overwrite?: true | readonly string[] | undefined;
  keep?: readonly string[] | undefined;
  kept: readonly string[];
};

/**
 * Reads what the user decided; a path stands for that file or for what lies in that folder. `--keep` counts most, so
 * that a file can be left out of a folder to overwrite; what was kept earlier is overwritten by its name only.
 * Throws SyncError `usage_invalid` for a path that nothing of ours goes to.
 */
export function parseDecisions({ overwrite, keep, kept }: GivenDecisions, targets: readonly string[]): Decide {
  const isToKeep = matchPaths("--keep", keep ?? [], targets);
  const isNamed = matchPaths("--overwrite", overwrite === true ? [] : (overwrite ?? []), targets);
  return (path) => {
    if (isToKeep(path)) return "keep";
    if (isNamed(path)) return "overwrite";
    if (kept.includes(path)) return "keep";
    return overwrite === true ? "overwrite" : null;
  };
}

function matchPaths(option: string, given: readonly string[], targets: readonly string[]): (path: string) => boolean {
  const named = given.map((path) => path.replaceAll("\\", "/").replace(/^\.\//, "").replace(/\/+$/, ""));
  const unknown = named.filter((path) => !targets.some((target) => isWithin(target, path)));
  if (unknown.length > 0) {
    const message = `${option} ${unknown.join(", ")}: nothing is installed there. Name a path as the plan prints it.`;
    throw new SyncError("usage_invalid", message);
  }
  return (path) => named.some((folder) => isWithin(path, folder));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
