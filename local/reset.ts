import { rm } from "node:fs/promises";
import path from "node:path";
import { errorMessage } from "#core/errors.ts";
import { claimFolder } from "./folder-lock.ts";
import { stopOrphan } from "./postgres/embedded-postgres.ts";

/** Removes the local server's data: the embedded database and the local settings. */
const folder = path.resolve(".clerk-sync");

try {
  await claimFolder(folder).catch((error: unknown) => {
    if ((error as { code?: string }).code === "data_folder_in_use") throw error;
  });
  await stopOrphan(path.join(folder, "postgres"));
  await rm(folder, { recursive: true, force: true });
  console.log("The local data is removed. npm start makes a new database.");
} catch (error) {
  console.error(`Cannot remove the local data. ${errorMessage(error)}`);
  process.exitCode = 1;
}
