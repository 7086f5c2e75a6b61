import { appendFile, readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createHostedDatabase, createSupabaseProject } from "../support/supabase-project.ts";

const migrations = fileURLToPath(new URL("../../supabase/migrations/", import.meta.url));

it("--remove leaves the project byte for byte as it was, except for the migrations, or without these too", async () => {
  const project = await createSupabaseProject();
  const before = await project.readAll();
  await project.init("--yes");
  const done = await project.init("--remove", "--yes");
  expect(done.exitCode).toBe(0);
  const after = await project.readAll();
  const isMigration = (file: string) => /^supabase\/migrations\/\d+_clerk_sync_/.test(file);
  expect(Object.fromEntries(Object.entries(after).filter(([file]) => !isMigration(file)))).toEqual(before);
  expect(Object.keys(after).filter(isMigration)).toHaveLength((await readdir(migrations)).length);

  expect((await project.init("--yes")).stdout).not.toMatch(/^add +supabase\/migrations/m);
  await project.init("--remove", "--migrations", "--yes");
  expect(await project.readAll()).toEqual(before);
  await expect(readdir(path.join(project.path, "supabase/tests"))).rejects.toThrow("ENOENT");
});

it("after --remove --migrations of pushed ones, db push works again once they are marked as reverted", async () => {
  const [project, database] = [await createSupabaseProject(), await createHostedDatabase()];
  await project.init("--yes");
  await project.push(database);
  const { removed } = JSON.parse((await project.init("--remove", "--migrations", "--yes", "--json")).stdout);
  await expect(project.push(database)).rejects.toThrow(/Remote migration versions not found/);
  const numbers = removed.flatMap((file: string) => /migrations\/(\d+)_/.exec(file)?.[1] ?? []);
  const remote = `--remote=${database.url}?sslmode=disable`;
  await project.supabase("migration", "repair", remote, "--status", "reverted", ...numbers, "--yes");
  await project.push(database);
});

it("--remove names and keeps what the user changed", async () => {
  const project = await createSupabaseProject();
  await project.init("--yes");
  await appendFile(path.join(project.path, "supabase/functions/clerk-webhook/index.ts"), "// mine\n");
  const done = await project.init("--remove", "--yes");
  expect(done.stdout).toMatch(/^keep +supabase\/functions\/clerk-webhook\/index\.ts: changed by you$/m);
  expect((await project.readAll())["supabase/functions/clerk-webhook/index.ts"]).toContain("// mine");
});
