import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { parseMapping } from "#core/config/mapping.ts";
import { readConfiguration } from "../../../mapping/read-configuration.ts";
import { openDatabase } from "../../../server/database.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { createEmptyDatabase } from "../../support/database/test-database.ts";
import { runCommand } from "../../support/processes/run-command.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";

const tables = `
  create table people (id uuid primary key default gen_random_uuid(), clerk_id text unique, email text);
  create table teams (id text primary key, title text not null default 'x');`;

const users = { table: "public.people", key: "clerk_id", columns: { email: "email" } };
const organizations = { table: "public.teams", columns: { title: "name" } };
const memberships = {
  columns: {
    organization_id: "organization",
    user_id: { from: "user", as: "id" },
    role: "role",
    plan: "public_metadata.plan",
  },
};

let queue: Queue;
let project: Awaited<ReturnType<typeof createTestFolder>>;
beforeEach(async () => {
  [queue, project] = [await createQueue(), await createTestFolder()];
  await queue.pool.query(tables);
});
afterEach(async () => {
  await queue.drop();
  await project.remove();
});

const configure = (file: unknown) =>
  writeFile(path.join(project.path, "clerk-sync.config.json"), JSON.stringify(file, null, 2));
const read = (file: string) => readFile(path.join(project.path, file), "utf8");
const generate = (...args: string[]) => runCommand(["generate", ...args], { folder: project.path });
const migrations = async () => (await readdir(path.join(project.path, "supabase/migrations"))).sort();

it("a kind that is switched on makes its migration, and the functions and the database know the same of it", async () => {
  await configure({ users });
  await generate("--db-url", queue.url);
  await configure({ users, organizations, memberships });
  const done = await generate("--db-url", queue.url);
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
  expect(done.stdout).toContain(
    "It writes public.people; public.teams; public.organization_memberships, which the migration makes.",
  );
  expect(done.stdout).toContain(
    "It grants service_role what the sync needs on public.people, public.teams, and changes no policy and no grant of others.",
  );
  const written = await migrations();
  expect(written).toHaveLength(2);
  await queue.pool.query(await read(`supabase/migrations/${written[1]}`));
  const mapping = parseMapping(JSON.parse(await read("supabase/functions/_shared/clerk-sync/mapping.json")));
  expect(mapping).toEqual(await queue.database.mapping());
  expect(mapping).toMatchObject({
    organizations: { fields: ["name"] },
    memberships: { fields: ["organization_id", "user_id", "role", "public_metadata.plan"] },
  });
  expect(await generate()).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("No migration to write") });
  expect(JSON.parse(await read("supabase/clerk-sync.json")).mapping.kinds).toMatchObject({
    organizations: { columns: ["title"], facts: { columns: [{ name: "id" }, { name: "title" }] } },
    memberships: { facts: null },
  });
});

it("takes the tables of organizations from files, as it does that of users", async () => {
  await mkdir(path.join(project.path, "supabase/migrations"), { recursive: true });
  await writeFile(path.join(project.path, "supabase/migrations/1_own.sql"), tables);
  await configure({ users, organizations });
  const ofFiles = await generate();
  expect(ofFiles.stdout).toContain("The columns of public.people are those of supabase/migrations/1_own.sql:2.");
  expect(ofFiles.stdout).toContain("The columns of public.teams are those of supabase/migrations/1_own.sql:3.");
  const { hash } = JSON.parse((await generate("--json", "--db-url", queue.url)).stdout);
  expect(JSON.parse(await read("supabase/functions/_shared/clerk-sync/mapping.json")).hash).toBe(hash);
  await configure({ users, organizations: { ...organizations, columns: { titel: "name" } } });
  expect(await generate()).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining(
      "public.teams does not fit clerk-sync.config.json, by the columns in supabase/clerk-sync.json (pass --db-url to read the table again). These statements correct it:\n-- there is no column titel; is title meant?",
    ),
  });
});

it("--types writes a type for each table, also for those that the migration makes", async () => {
  await configure({ users, organizations, memberships: { ...memberships, delete: { soft: "gone_at" } }, roles: true });
  await generate("--db-url", queue.url, "--types", "src/rows.ts");
  const types = await read("src/rows.ts");
  expect(types.match(/^export type \w+/gm)).toEqual([
    "export type Json",
    "export type PeopleRow",
    "export type TeamsRow",
    "export type OrganizationMembershipsRow",
    "export type OrganizationRolesRow",
  ]);
  expect(types).toContain("  /** Clerk's id of the organization. */\n  id: string;\n");
  expect(types).toContain("  /** The user: its value of id. */\n  user_id: string | null;\n");
  expect(types).toContain("  /** From Clerk: permissions. */\n  permissions: string[];\n");
  expect(types).toContain(
    "  /** When the membership was deleted at Clerk; null while the membership is there. */\n  gone_at: string | null;\n",
  );
});

it("migrate makes the tables of a changed file, and a server refuses a database that it has not changed", async () => {
  const database = await createEmptyDatabase();
  try {
    await database.pool.query(tables);
    const environment = { DATABASE_URL: database.url };
    const migrate = () => runCommand(["migrate"], { folder: project.path, environment });
    const open = async () => {
      const { configuration } = await readConfiguration(project.path, { environment: {} });
      const opened = await openDatabase(database.url, false, configuration);
      await opened.close();
    };
    await configure({ users });
    expect(await migrate()).toMatchObject({ exitCode: 0 });
    await expect(open()).resolves.toBeUndefined();
    await configure({ users, organizations, memberships, roles: true, invitations: true });
    await expect(open()).rejects.toMatchObject({ code: "mapping_outdated" });
    expect(await migrate()).toMatchObject({ exitCode: 0 });
    await expect(open()).resolves.toBeUndefined();
    const { rows } = await database.pool.query(
      "select kind, to_regclass(table_name) is not null as is_there from clerk_sync.mappings order by kind",
    );
    expect(rows).toEqual(
      ["invitation", "membership", "organization", "role", "user"].map((kind) => ({ kind, is_there: true })),
    );
    await database.pool.query("alter table teams alter column title drop default");
    const later = await database.pool.query("select public.clerk_sync_health() -> 'reasons' -> 0 as reason");
    expect(later.rows[0]?.reason ?? null).not.toMatchObject({ code: "table_changed" }); // every organization has a name
    await database.pool.query("alter table organization_roles alter column description set not null");
    const { rows: health } = await database.pool.query("select public.clerk_sync_health() -> 'reasons' -> 0 as reason");
    expect(health[0]?.reason).toMatchObject({
      code: "table_changed",
      status: "compromised",
      what: "The sync cannot write public.organization_roles as it is now: description is not null, but the sync writes null for a role without one.",
    });
  } finally {
    await database.drop();
  }
});
