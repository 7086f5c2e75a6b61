import { mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createTestFolder } from "../../tests/support/processes/test-folder.ts";
import { resolveInside } from "./resolve-inside.ts";

let project: string;
let outside: string;
beforeEach(async () => {
  const folder = await createTestFolder();
  onTestFinished(folder.remove);
  project = path.join(folder.path, "project");
  outside = path.join(folder.path, "project-other");
  await mkdir(path.join(project, "supabase"), { recursive: true });
  await mkdir(outside);
});

test("a path whose folders do not exist yet is resolved", async () => {
  expect(await resolveInside(project, "supabase/functions/a.ts")).toBe(path.join(project, "supabase/functions/a.ts"));
});

test("a link to another place of the project is followed", async () => {
  await mkdir(path.join(project, "code"));
  await symlink("../code", path.join(project, "supabase/functions"));
  await expect(resolveInside(project, "supabase/functions/a/b.ts")).resolves.toContain("supabase/functions/a/b.ts");
});

test.each(["supabase/functions/a/b.ts", "supabase/functions"])(
  "a link out of the project is refused at %s",
  async (file) => {
    await symlink(outside, path.join(project, "supabase/functions"));
    await expect(resolveInside(project, file)).rejects.toMatchObject({
      code: "path_unusable",
      message: expect.stringContaining("outside the project"),
    });
  },
);

test("a link to a file outside is refused, and so is one that leads nowhere", async () => {
  await writeFile(path.join(outside, "config.toml"), "");
  await symlink(path.join(outside, "config.toml"), path.join(project, "supabase/config.toml"));
  await expect(resolveInside(project, "supabase/config.toml")).rejects.toMatchObject({ code: "path_unusable" });
  await symlink(path.join(outside, "none"), path.join(project, "supabase/none"));
  await expect(resolveInside(project, "supabase/none")).rejects.toThrow("leads nowhere");
});

test.each(["../project-other/a", "/etc/passwd", "supabase/../../a"])("%s is refused", async (file) => {
  await expect(resolveInside(project, file)).rejects.toMatchObject({ code: "path_unusable" });
});
