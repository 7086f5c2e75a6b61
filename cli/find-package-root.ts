import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { SyncError } from "#core/errors.ts";

const packageName = "clerk-supabase-sync";

/**
 * The folder of this package: the nearest one above `from` whose package.json has its name, whether this file runs
 * from the source or from a build. Throws SyncError `package_incomplete` where there is none.
 */
export function findPackageRoot(from = fileURLToPath(import.meta.url)): string {
  for (let folder = path.dirname(from); ; folder = path.dirname(folder)) {
    if (isPackageRoot(folder)) return folder;
    if (folder !== path.dirname(folder)) continue;
    throw new SyncError("package_incomplete", `No package.json of ${packageName} above ${from}. Install it again.`);
  }
}

function isPackageRoot(folder: string): boolean {
  const file = path.join(folder, "package.json");
  if (!existsSync(file)) return false;
  const content: unknown = JSON.parse(readFileSync(file, "utf8"));
  return typeof content === "object" && content !== null && "name" in content && content.name === packageName;
}
