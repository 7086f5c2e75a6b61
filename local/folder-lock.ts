import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { SyncError } from "#core/errors.ts";
import { isAlive } from "./postgres/embedded-postgres.ts";

/**
 * Claims the folder for this process; the returned function gives it back. A claim of a process that was
 * killed does not count.
 * Throws SyncError `data_folder_in_use` when another server works in the folder.
 */
export async function claimFolder(folder: string): Promise<() => Promise<void>> {
  const file = path.join(folder, "server.pid");
  const owner = Number(await readFile(file, "utf8").catch(() => ""));
  if (owner > 1 && owner !== process.pid && isAlive(owner)) {
    throw new SyncError(
      "data_folder_in_use",
      `Another server (process ${owner}) works in ${folder}. Stop it, or start this one in another folder. If no such server runs, remove ${file}.`,
    );
  }
  await writeFile(file, String(process.pid)).catch((cause: unknown) => {
    throw new SyncError("data_folder_unusable", `Cannot write ${file}. Make the folder writable.`, { cause });
  });
  return () => rm(file, { force: true });
}
