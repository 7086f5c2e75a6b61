import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { environmentSchema, noteOf } from "#core/config/environment-schema.ts";
import { schemaVersion } from "#core/database/schema-version.ts";
import { actionWords } from "../../admin/src/pages/audit/filter-names.ts";
import { formatMigration, readSchemas } from "../../build/migration.ts";
import { formatConfiguration } from "../../docs/format-configuration.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (...names: string[]) => readFile(path.join(root, ...names), "utf8");
const list = (...names: string[]) => readdir(path.join(root, ...names));

/** The core's files by their paths without .ts: `webhook/handle-webhook`. */
async function readCore(): Promise<Map<string, string>> {
  const folder = "supabase/functions/_shared/clerk-sync";
  const names = (await readdir(path.join(root, folder), { recursive: true })).filter((name) => name.endsWith(".ts"));
  return new Map(
    await Promise.all(names.map(async (name) => [name.replace(".ts", ""), await read(folder, name)] as const)),
  );
}

describe("docs/architecture.md", () => {
  it("names files and, in each, something that this file defines", async () => {
    const rows = [...(await read("docs/architecture.md")).matchAll(/^\| `([^`]+)` \| `([^`]+)` \|/gm)];
    expect(rows.length).toBeGreaterThan(50);
    for (const [, file = "", name = ""] of rows) {
      const isSql = file.endsWith(".sql");
      const text = await read(isSql ? "supabase/schemas" : "supabase/functions/_shared/clerk-sync", file);
      const definition = isSql
        ? `(?:function|view) (?:public|clerk_sync)\\.${name}\\b`
        : `(?:function|const) ${name}\\b`;
      expect(text, `${file} ${name}`).toMatch(new RegExp(definition));
    }
  });

  it("names the folders that there are, and every room of the core", async () => {
    const page = await read("docs/architecture.md");
    const table = page.match(/## The folders\n([\s\S]*?)\nThe core/)?.[1] ?? "";
    const names = [...table.matchAll(/`([a-z/-]+)`(?=[^|]*\|.*\|)/g)].map(([, name = ""]) => name);
    expect(names.length).toBeGreaterThan(8);
    for (const name of names.filter((name) => !name.includes("clerk-sync")))
      await expect(stat(path.join(root, name))).resolves.toBeDefined();
    const entries = await readdir(path.join(root, "supabase/functions/_shared/clerk-sync"), { withFileTypes: true });
    const rooms = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    const line = page.match(/^ {4}edge, index → .*$/m)?.[0] ?? "";
    for (const room of rooms) expect(line).toMatch(new RegExp(`(^|[ ,])${room}([ ,]|$)`));
  });
});

describe("docs/errors.md", () => {
  it("explains every error code, and no code that does not exist", async () => {
    const source = await read("supabase/functions/_shared/clerk-sync/errors.ts");
    const codes = [...(source.match(/const errorCodes = \[([\s\S]*?)\]/)?.[1] ?? "").matchAll(/"([a-z_]+)"/g)].map(
      (m) => m[1],
    );
    const explained = [...(await read("docs/errors.md")).matchAll(/^### `([a-z_]+)`/gm)].map((match) => match[1]);
    expect(explained.slice().sort()).toEqual(codes.slice().sort());
  });
});

describe("the audit page", () => {
  it("has words for whatever the API notes of an operator", async () => {
    const sources = [...(await readCore()).values()];
    const noted = sources.join("\n").matchAll(/noteAction\(\{[^}]*?code: "([a-z_]+)"/g);
    const codes = [...noted].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(7);
    expect(Object.keys(actionWords)).toEqual(expect.arrayContaining(codes));
  });
});

const docs = (await readdir(path.join(root, "docs"), { recursive: true })).filter((name) => name.endsWith(".md"));
const pages = ["README.md", "CONTRIBUTING.md", "bench/README.md", ...docs.map((name) => path.join("docs", name))];

describe("the pages", () => {
  it.each(pages)("%s links to files and headings that exist", async (page) => {
    for (const [, target = ""] of (await read(page)).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [file, heading] = target.split("#");
      const text = await readLinked(file ? path.join(path.dirname(page), file) : page);
      if (heading) expect(headingsOf(text), target).toContain(heading);
    }
  });
});

async function readLinked(name: string): Promise<string> {
  return read((await isFolder(name)) ? path.join(name, "README.md") : name);
}

async function isFolder(name: string): Promise<boolean> {
  return (await stat(path.join(root, name))).isDirectory();
}

/** The anchors of a page as GitHub makes them. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );
}

describe("docs/health.md", () => {
  it("explains every reason and every threshold of the judgement, with its value", async () => {
    const docs = await read("docs/health.md");
    const sql = await read("supabase/schemas/17_health.sql");
    const codes = [...sql.matchAll(/^ {8}\(\n {10}'([a-z_]+)',/gm)].map((match) => match[1]);
    expect(codes.length).toBeGreaterThan(12);
    for (const code of codes) expect(docs).toContain(`\`${code}\``);
    const thresholds = [...sql.matchAll(/^ {2}coalesce\(o\.[a-z_]+, (\d+)(?:\.0)?\) as ([a-z_]+),?$/gm)];
    expect(thresholds).toHaveLength(15);
    for (const [, value, name] of thresholds) expect(docs).toMatch(new RegExp(`\\b${value}[^|\\d]*\`${name}\``));
  });
});

describe("docs/configuration.md", () => {
  it("is what npm run docs writes, and leaves no variable out", async () => {
    expect(await read("docs/configuration.md")).toBe(formatConfiguration());
    for (const name of Object.keys(environmentSchema.shape) as (keyof typeof environmentSchema.shape)[]) {
      expect(noteOf(name), name).toBeDefined();
    }
  });
});

/** SQL without its comments and strings; the bodies of functions stay. */
const withoutText = (sql: string) => sql.replaceAll(/--.*|'(?:[^']|'')*'/g, "");

const schemas = (await readSchemas(root)).map(({ name, sql }) => ({ name, sql: withoutText(sql) }));
const functionsIn = (sql: string) => [...sql.matchAll(/create or replace function (\S+?)\s*\([\s\S]*?\n\$\$;/g)];

describe("the files of supabase/schemas", () => {
  it("use only what the same file or an earlier one defines", () => {
    const definitions = /create (?:or replace function|table if not exists|or replace view|type) ([a-z_]+\.[a-z_]+)/g;
    const places = new Map(
      schemas.flatMap(({ sql }, place) => [...sql.matchAll(definitions)].map(([, name]) => [name, place] as const)),
    );
    expect(places.size).toBeGreaterThan(150);
    const forward = schemas.flatMap(({ name, sql }, place) =>
      [...sql.matchAll(/\b(?:public|clerk_sync)\.[a-z_]+/g)]
        .filter(([used]) => (places.get(used) ?? 0) > place)
        .map(([used]) => `${name}: ${used}`),
    );
    // The version comes last, so that only a database with the whole schema answers it. Whether it is one of an earlier
    // commit is asked at the beginning, and health tells it. Objects are described where a mapping says which table is ours.
    expect(forward).toEqual([
      "00_schema.sql: public.clerk_sync_schema_version",
      "01_objects.sql: clerk_sync.mappings",
      "17_health.sql: public.clerk_sync_schema_version",
      "17_health.sql: public.clerk_sync_schema_version",
    ]);
  });

  it("make a table or a type before the functions that use it", () => {
    const found = schemas.flatMap(({ name, sql }) =>
      [...sql.matchAll(/create (?:table if not exists|type) ([a-z_]+\.[a-z_]+)/g)].flatMap(({ 1: made = "", index }) =>
        functionsIn(sql)
          .filter((one) => one.index < index && new RegExp(`\\b${made}\\b`).test(one[0]))
          .map((one) => `${name}: ${one[1]} uses ${made}`),
      ),
    );
    expect(found).toEqual([]);
  });

  it("hold no function that does not pin search_path", () => {
    const functions = schemas.flatMap(({ sql }) => functionsIn(sql));
    expect(functions.length).toBe(
      schemas.flatMap(({ sql }) => [...sql.matchAll(/create or replace function/g)]).length,
    );
    for (const [text, name] of functions) expect(text, name).toMatch(/\nset search_path = \n/);
  });

  it("give rights in one file, after everything but the version; that, and what a mapping generates, bring their own", () => {
    const givesRights = ({ sql }: { sql: string }) => /^\s*(?:grant|revoke) /m.test(sql);
    expect(schemas.filter(givesRights).map(({ name }) => name)).toEqual([
      "04_users.sql",
      "05_kinds.sql",
      "22_policy_helpers.sql",
      "23_rights.sql",
      "24_version.sql",
    ]);
    expect(schemas.slice(-2).map(({ name }) => name)).toEqual(["23_rights.sql", "24_version.sql"]);
    expect(schemas.at(-1)?.sql).toContain(
      "revoke execute on function public.clerk_sync_schema_version from public, anon,",
    );
    expect(functionsIn(schemas.at(-1)?.sql ?? "")).toHaveLength(1);
  });
});

describe("the migration", () => {
  it("refuses databases with a version before its own number, for there was no release yet", async () => {
    const [name = ""] = await list("supabase/migrations");
    const [{ sql } = { sql: "" }] = await readSchemas(root);
    expect(sql).toContain(`coalesce(v_version, '') < '${name.slice(0, 14)}'`);
  });

  it("is the one that `npm run migration` writes from supabase/schemas, and the only one", async () => {
    const { file, text } = await formatMigration(root);
    expect(await list("supabase/migrations")).toEqual([path.basename(file)]);
    expect((await read(file)) === text, "run npm run migration").toBe(true);
  });

  it("ends with the version of the schema, which is its number, in SQL and in the core", async () => {
    const [name = ""] = await list("supabase/migrations");
    expect(name).toBe(`${schemaVersion}_schema.sql`);
    const functions = functionsIn(await read("supabase/migrations", name));
    expect(functions.at(-1)?.[1]).toBe("public.clerk_sync_schema_version");
    expect(functions.at(-1)?.[0]).toContain(`select '${schemaVersion}';`);
  });
});

describe("the lock file", () => {
  it("locks the packages of every platform, not only of the one it was written on", async () => {
    const { packages } = JSON.parse(await read("package-lock.json")) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const optional = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    expect(optional.length).toBeGreaterThan(20);
    expect(optional.filter((name) => packages[`node_modules/${name}`] === undefined)).toEqual([]);
  });
});

const functionNames = (await list("supabase/functions")).filter((name) => !name.startsWith("_"));

describe("the Edge Functions", () => {
  it.each(functionNames)("%s is a shell of at most 30 lines with the package.json's versions", async (name) => {
    expect((await read("supabase/functions", name, "index.ts")).trimEnd().split("\n").length).toBeLessThanOrEqual(30);
    const { dependencies } = JSON.parse(await read("package.json")) as { dependencies: Record<string, string> };
    const { imports } = JSON.parse(await read("supabase/functions", name, "deno.json")) as {
      imports: Record<string, string>;
    };
    const { specifiers } = JSON.parse(await read("supabase/functions", name, "deno.lock")) as {
      specifiers: Record<string, string>;
    };
    for (const [specifier, target] of Object.entries(imports)) {
      expect(target).toBe(`npm:${specifier}@${dependencies[specifier]}`);
      expect(specifiers, "deno.lock").toHaveProperty([target]);
    }
    expect(await read("supabase/config.toml")).toContain(`[functions.${name}]\nverify_jwt = false`);
  });
});
