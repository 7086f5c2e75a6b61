import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { errorMessage, SyncError } from "#core/errors.ts";
import type { Plan } from "./plan-installation.ts";
import { resolveInside } from "./resolve-inside.ts";

/** What was done, as relative paths. */
export type Applied = { written: string[]; removed: string[] };

/**
 * Carries out a plan in a project's folder. Throws SyncError `install_incomplete`, naming what was done before, where
 * the disk refuses; the same command again goes on from there.
 */
export async function applyPlan(folder: string, plan: Pick<Plan, "writes" | "deletes" | "folders">): Promise<Applied> {
  const applied: Applied = { written: [], removed: [] };
  try {
    for (const { path: file, content } of plan.writes) {
      await writeWithFolder(await resolveInside(folder, file), content);
      applied.written.push(file);
    }
    for (const file of plan.deletes) {
      await rm(await resolveInside(folder, file));
      applied.removed.push(file);
    }
    for (const each of plan.folders) await removeIfEmpty(await resolveInside(folder, each));
    return applied;
  } catch (cause) {
    const done = [...applied.written, ...applied.removed];
    const list = done.length === 0 ? "Nothing was changed" : `Changed before: ${done.join(", ")}`;
    const message = `${errorMessage(cause)}. ${list}. Make room or give the right to write, and run the same again.`;
    throw new SyncError("install_incomplete", message, { cause });
  }
}

/** Writes a file, and makes its folder where there is none. */
export async function writeWithFolder(target: string, content: string): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, content);
}

async function removeIfEmpty(folder: string): Promise<void> {
  if (!existsSync(folder) || !(await lstat(folder)).isDirectory()) return;
  if ((await readdir(folder)).length === 0) await rmdir(folder);
}
