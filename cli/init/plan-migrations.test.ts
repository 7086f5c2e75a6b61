import { expect, test } from "vitest";
import { hashContent, type InstalledFile } from "./manifest.ts";
import { planMigrations } from "./plan-migrations.ts";
import type { Project } from "./read-project.ts";
import type { SourceMigration } from "./read-sources.ts";

const now = Date.UTC(2027, 0, 1);
const folder = "supabase/migrations";

function sources(contents: Record<string, string>): SourceMigration[] {
  return Object.entries(contents).map(([name, content]) => ({ source: `${name}.sql`, name: `${name}.sql`, content }));
}

function project(files: Record<string, string>, migrations: InstalledFile[] | null = null): Project {
  const manifest = migrations && { version: "1", migrations, files: [], sections: [], folders: [], kept: [] };
  return { config: "", manifest, files: new Map(Object.entries(files)), folders: new Set(), ref: null };
}

/** The project after a plan was carried out. */
function carryOut(before: Project, { files, installed }: ReturnType<typeof planMigrations>): Project {
  const written = files.flatMap(({ path, content }) => (content === undefined ? [] : [[path, content] as const]));
  return project(Object.fromEntries([...before.files, ...written]), installed);
}

function added({ files }: ReturnType<typeof planMigrations>): string[] {
  return files.filter(({ state }) => state === "add").map(({ path }) => path.slice(folder.length + 1));
}

const first = sources({ a: "1", b: "2" });
const fresh = planMigrations(first, project({ [`${folder}/20270601000000_own.sql`]: "" }), now);
const installed = carryOut(project({}), fresh);

test("all are added in our order, after the project's newest", () => {
  expect(added(fresh)).toEqual(["20270601000001_clerk_sync_a.sql", "20270601000002_clerk_sync_b.sql"]);
});

test("once installed there is nothing to add", () => {
  expect(added(planMigrations(first, installed, now))).toEqual([]);
});

test("one that changed is added again under a new number, and the old files stay", () => {
  const upgrade = planMigrations(sources({ a: "1 changed", b: "2" }), installed, now);
  expect(added(upgrade)).toEqual(["20270601000003_clerk_sync_a.sql"]);
  expect(upgrade.files.some(({ state }) => state === "remove")).toBe(false);
  expect(upgrade.installed).toHaveLength(3);
});

test("a new one in the middle is added at the end", () => {
  const upgrade = planMigrations(sources({ a: "1", between: "3", b: "2" }), installed, now);
  expect(added(upgrade)).toEqual(["20270601000003_clerk_sync_between.sql"]);
});

test("after an upgrade there is nothing to add, and going back adds the old wording anew", () => {
  const second = sources({ a: "1 changed", b: "2" });
  const upgraded = carryOut(installed, planMigrations(second, installed, now));
  expect(added(planMigrations(second, upgraded, now))).toEqual([]);
  expect(added(planMigrations(first, upgraded, now))).toEqual(["20270601000004_clerk_sync_a.sql"]);
});

test("an installation that broke off before its manifest is gone on with", () => {
  const files = fresh.files.slice(0, 1).map(({ path, content = "" }) => [path, content] as const);
  const resumed = planMigrations(first, project(Object.fromEntries(files)), now);
  expect(added(resumed)).toEqual(["20270601000002_clerk_sync_b.sql"]);
  expect(resumed.installed).toEqual(fresh.installed);
});

test("an upgrade that broke off before its second file is gone on with", () => {
  const upgraded = sources({ a: "1 changed", b: "2 changed" });
  const [half] = planMigrations(upgraded, installed, now).files.filter(({ state }) => state === "add");
  const broken = { ...installed, files: new Map([...installed.files, [half?.path ?? "", half?.content ?? ""]]) };
  expect(added(planMigrations(upgraded, broken, now))).toEqual(["20270601000004_clerk_sync_b.sql"]);
});

test("what a commit before the first release installed is refused, whatever is planned", () => {
  const entry = (source: string) => ({ source, path: `${folder}/20270101000000_a.sql`, sha256: hashContent("1") });
  const plan = (source: string) =>
    planMigrations(sources({ "20261130000000_schema": "1" }), project({}, [entry(source)]), now);
  expect(() => plan("supabase/migrations/20261124000099_schema_version.sql")).toThrow("before the first release");
  expect(() => plan("supabase/migrations/20261123000000_schema.sql")).toThrow("init --remove --migrations");
  expect(() => plan("supabase/migrations/20261130000000_schema.sql")).not.toThrow();
});

test("a source that has another name now is the same file, neither added again nor lost from the manifest", () => {
  const renamed = planMigrations(sources({ first: "1", b: "2" }), installed, now);
  expect(added(renamed)).toEqual([]);
  expect(renamed.installed.map(({ source, path }) => [source, path.slice(folder.length + 1)])).toEqual([
    ["first.sql", "20270601000001_clerk_sync_a.sql"],
    ["b.sql", "20270601000002_clerk_sync_b.sql"],
  ]);
  expect(added(planMigrations(sources({ first: "1 changed", b: "2" }), installed, now))).toEqual([
    "20270601000003_clerk_sync_first.sql",
  ]);
});

test("a file that the user changed is kept, one that is missing comes back under its number", () => {
  const path = `${folder}/20270601000001_clerk_sync_a.sql`;
  const changed = { ...installed, files: new Map([...installed.files, [path, "mine"]]) };
  expect(planMigrations(first, changed, now).files[0]).toMatchObject({ path, state: "keep" });
  const missing = { ...installed, files: new Map([...installed.files].filter(([file]) => file !== path)) };
  expect(planMigrations(first, missing, now).files[0]).toMatchObject({ path, state: "add", content: "1" });
});

test("a file checked out with CRLF is the same file", () => {
  const path = `${folder}/20270601000001_a.sql`;
  const entry = { source: "a.sql", path, sha256: hashContent("x\ny\n") };
  const plan = planMigrations(sources({ a: "x\ny\n" }), project({ [path]: "x\r\ny\r\n" }, [entry]), now);
  expect(plan.files).toEqual([{ path, state: "unchanged" }]);
});
