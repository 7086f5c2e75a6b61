import { lstat, realpath } from "node:fs/promises";
import path from "node:path";
import { errorMessage, SyncError } from "#core/errors.ts";

/**
 * The absolute path of a file of the project. A symbolic link on the way must lead to a place inside the project.
 * `folder` is the project's real path. Throws SyncError `path_unusable`.
 */
export async function resolveInside(folder: string, relative: string): Promise<string> {
  const target = path.resolve(folder, relative);
  const real = isInside(folder, target) ? await realpathOfExisting(target) : target;
  if (isInside(folder, real)) return target;
  throw new SyncError(
    "path_unusable",
    `${relative} leads to ${real}, outside the project. Nothing was written; make it a folder of the project.`,
  );
}

/** The real path of the deepest part that exists; a link that leads nowhere exists, and is refused. */
async function realpathOfExisting(target: string): Promise<string> {
  for (let part = target; ; part = path.dirname(part)) {
    const exists = await lstat(part).then(() => true, isMissing);
    if (!exists) continue;
    return realpath(part).catch((cause: unknown) => {
      throw new SyncError("path_unusable", `${part} is a link that leads nowhere: ${errorMessage(cause)}.`, { cause });
    });
  }
}

function isMissing(error: NodeJS.ErrnoException): false {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return false;
  throw new SyncError("path_unusable", `${error.path} cannot be looked at: ${error.message}.`, { cause: error });
}

function isInside(folder: string, target: string): boolean {
  return target === folder || target.startsWith(folder + path.sep);
}
