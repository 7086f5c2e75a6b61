import { existsSync } from "node:fs";
import path from "node:path";
import type { TableName } from "../mapping.ts";
import { quoteTable } from "../quote.ts";
import type { Place, Unread } from "./catalog.ts";
import { findFiles, type ProjectFiles, readProjectFile } from "./find-files.ts";
import { listTables, type TableOfFiles } from "./list-tables.ts";
import { sqlOfFile } from "./read-sql.ts";

/** A table of a project, as the first of its sources has it: migrations, then a schema of Prisma, then one of Drizzle. */
export type FoundTable = TableOfFiles & {
  source: "migrations" | "Prisma" | "Drizzle";
  /** Other sources whose columns or keys of the table differ, and where. */
  otherwise: readonly Place[];
};

/**
 * All tables that the files of a project make, with their facts and the places of those: SQL migrations, schemas of
 * Prisma and of Drizzle, read as text and never run. Empty where there are none. What the sync itself generated is left
 * out.
 */
export async function findTables(folder: string): Promise<FoundTable[]> {
  const files = await findFiles(folder);
  const extensionSchema = existsSync(path.join(folder, "supabase/config.toml")) ? "extensions" : "public";
  const found = [
    ...(await readMigrations(folder, files, extensionSchema)),
    ...(await readPrismaSchemas(folder, files, extensionSchema)),
    ...(await readDrizzleSchemas(folder, files, extensionSchema)),
  ];
  const tables = new Map<string, FoundTable>();
  for (const table of found.filter(({ facts }) => !isTableOfSync(facts.table))) {
    const name = quoteTable(table.facts.table);
    const before = tables.get(name);
    tables.set(name, before === undefined ? table : joinSources(before, table));
  }
  return [...tables.values()];
}

/** Declarative schemas of a project hold the sync's own tables, too. */
function isTableOfSync({ schema, name }: TableName): boolean {
  return schema === "clerk_sync" || (schema === "public" && name === "job_queue");
}

/** A schema of an ORM says of a table that migrations make what only the ORM fills. */
function joinSources(first: FoundTable, other: FoundTable): FoundTable {
  const filledByApp = first.filledByApp.length > 0 ? first.filledByApp : other.filledByApp;
  const otherwise = isSame(first, other) ? first.otherwise : [...first.otherwise, other.place];
  return { ...first, filledByApp, otherwise };
}

/** Whether two sources give the same columns and keys. */
function isSame({ facts: one }: FoundTable, { facts: other }: FoundTable): boolean {
  const essence = ({ columns, primaryKey, uniques }: typeof one) =>
    JSON.stringify([
      columns.map(({ name, sqlType, isNotNull, hasDefault }) => [name, sqlType, isNotNull, hasDefault].join()).sort(),
      primaryKey,
      uniques.map((each) => each.join()).sort(),
    ]);
  return essence(one) === essence(other);
}

async function readMigrations(folder: string, { sql }: ProjectFiles, extensionSchema: string): Promise<FoundTable[]> {
  const found: FoundTable[] = [];
  for (const { files } of sql) {
    const texts = await Promise.all(files.map((file) => readProjectFile(folder, file)));
    const theirs = files.flatMap((file, index) => {
      const text = texts[index] ?? "";
      return isOfSync(text) ? [] : [sqlOfFile(file, text)];
    });
    const tables = await listTables(theirs, { extensionSchema });
    found.push(...tables.map((table): FoundTable => ({ ...table, source: "migrations", otherwise: [] })));
  }
  return found;
}

/** A migration that `init` or `generate` wrote. */
function isOfSync(text: string): boolean {
  return text.includes("create or replace function public.clerk_sync_table_problems");
}

async function readPrismaSchemas(
  folder: string,
  { prisma }: ProjectFiles,
  extensionSchema: string,
): Promise<FoundTable[]> {
  if (prisma.length === 0) return [];
  const { writePrisma } = await import("./write-prisma.ts");
  const found: FoundTable[] = [];
  for (const { files } of prisma) {
    const schema = await Promise.all(files.map(async (file) => ({ file, text: await readProjectFile(folder, file) })));
    const { sql, filled, unread } = writePrisma(schema);
    const tables = await listTables([sql], { extensionSchema, filled, unread });
    found.push(...tables.map((table): FoundTable => ({ ...table, source: "Prisma", otherwise: [] })));
  }
  return found;
}

async function readDrizzleSchemas(
  folder: string,
  { drizzle, modules: known }: ProjectFiles,
  extensionSchema: string,
): Promise<FoundTable[]> {
  if (drizzle.length === 0) return [];
  const { loadModules } = await import("./load-modules.ts");
  const { writeDrizzle } = await import("./write-drizzle.ts");
  const found: FoundTable[] = [];
  for (const { config, files } of drizzle) {
    const { modules, failed, findModule } = await loadModules(folder, files, known);
    const own = files.flatMap((file) => modules.get(file) ?? []);
    const casing = config === null ? null : readCasing(await readProjectFile(folder, config));
    const { sql, filled, unread } = writeDrizzle(own, { findModule, casing });
    const unreadFiles = await Promise.all(failed.map((file) => describeFailed(folder, file)));
    const tables = await listTables([sql], { extensionSchema, filled, unread: [...unread, ...unreadFiles] });
    found.push(...tables.map((table): FoundTable => ({ ...table, source: "Drizzle", otherwise: [] })));
  }
  return found;
}

function readCasing(config: string): "snake_case" | "camelCase" | null {
  const text = config.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const [, casing] = /\bcasing\s*:\s*["'`](snake_case|camelCase)["'`]/.exec(text) ?? [];
  return casing === "snake_case" || casing === "camelCase" ? casing : null;
}

async function describeFailed(folder: string, file: string): Promise<Unread> {
  return {
    place: { file, line: 1 },
    statement: file,
    reason: "it is no module of TypeScript that can be read",
    text: await readProjectFile(folder, file),
  };
}
