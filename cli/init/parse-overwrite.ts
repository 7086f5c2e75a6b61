import { SyncError } from "#core/errors.ts";
import type { Overwrite } from "./plan-files.ts";

/**
 * Reads `--overwrite`: absent nothing, plain everything, with paths those files and what lies in those folders. Throws
 * SyncError `usage_invalid` for a path that nothing of ours goes to.
 */
export function parseOverwrite(given: true | readonly string[] | undefined, targets: readonly string[]): Overwrite {
  if (given === undefined) return () => false;
  if (given === true) return () => true;
  const allowed = given.map((path) => path.replaceAll("\\", "/").replace(/^\.\//, "").replace(/\/+$/, ""));
  const unknown = allowed.filter((path) => !targets.some((target) => isWithin(target, path)));
  if (unknown.length > 0) {
    const message = `--overwrite ${unknown.join(", ")}: nothing is installed there. Name a path as the plan prints it.`;
    throw new SyncError("usage_invalid", message);
  }
  return (path) => allowed.some((folder) => isWithin(path, folder));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
