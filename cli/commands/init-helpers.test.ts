import { expect, it } from "vitest";
import { createInitProject } from "../../tests/support/processes/init-project.ts";

// Supabase's guide to its Clerk wrapper, as a project has it among its migrations.
const wrapper = `-- create table clerk.not_this (id text);
create extension if not exists wrappers with schema extensions;
create schema if not exists clerk;
create foreign table clerk.users (id text) server clerk_server options (object 'users');
CREATE FOREIGN TABLE IF NOT EXISTS "clerk"."organizations" (id text) server clerk_server options (object 'organizations');
create or replace function clerk.refresh() returns void language sql as 'select';
create table public.clerk (users text);`;
const migration = "supabase/migrations/20260101000000_wrapper.sql";
const holds = 'foreign table clerk.users, foreign table clerk."organizations", function clerk.refresh';

it("a schema clerk of the project's own is named, and the helpers go beside what is in it", async () => {
  const project = await createInitProject();
  await project.write(migration, wrapper);
  const done = await project.init(["--yes"]);
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
  expect(done.stdout).toContain(`Schema clerk holds ${holds}. They stay as they are`);
  expect(await project.read("clerk-sync.config.json")).toMatch(/\n {2}},\n {2}"helpers": { "schema": "clerk" }\n}\n$/);
  expect(await project.init(["--yes"])).toMatchObject({ exitCode: 0, stderr: "" });
});

it("a configuration that does not say where the helpers go stops there, and nothing is written", async () => {
  const project = await createInitProject();
  await project.write(migration, wrapper);
  await project.write("clerk-sync.config.json", "{}");
  const refused = await project.init(["--yes"]);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain(
    `migration_refused: The helpers for policies go into schema clerk, which holds ${holds}.`,
  );
  await expect(project.read("supabase/clerk-sync.json")).rejects.toMatchObject({ code: "ENOENT" });
  await project.write("clerk-sync.config.json", '{ "helpers": { "schema": "clerk" } }');
  expect((await project.init(["--yes"])).stdout).toContain(`Schema clerk holds ${holds}.`);
});

it("another schema is named by nobody", async () => {
  const project = await createInitProject();
  await project.write(migration, wrapper);
  await project.write("clerk-sync.config.json", '{ "helpers": { "schema": "policies" } }');
  const done = await project.init(["--yes"]);
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
  expect(done.stdout).not.toContain("Schema");
});

it("a project without such a schema hears nothing of it", async () => {
  const project = await createInitProject();
  expect((await project.init(["--yes"])).stdout).not.toContain("helpers");
  expect(await project.read("clerk-sync.config.json")).not.toContain("helpers");
});
