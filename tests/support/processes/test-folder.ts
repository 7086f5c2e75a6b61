import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../.test-results/", import.meta.url));

/** A new folder inside the project's ignored ones, which PostgreSQL's own user may enter. */
export async function createTestFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  await mkdir(root, { recursive: true });
  const folder = await mkdtemp(`${root}run-`);
  await chmod(folder, 0o755);
  return { path: folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
