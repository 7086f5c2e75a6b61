import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { SyncError } from "#core/errors.ts";
import type { Configuration } from "./configuration.ts";
import {
  type KindMapping,
  type KnownTables,
  kindSections,
  type Mapping,
  type TableFacts,
  type TableName,
  type UsersMapping,
} from "./mapping.ts";
import { quoteTable } from "./quote.ts";
import { listKinds, mappedFields } from "./resolve.ts";
import type { Kind } from "./source-words.ts";

/** Where `generate` keeps what it generated from, so that it knows the columns without a database; init keeps its manifest there. */
export const savedMappingFile = "supabase/clerk-sync.json";

const savedSchema = z.object({ mapping: z.unknown().optional() });

const factsSchema = z.custom<TableFacts | null>(
  (value) => value === null || (typeof value === "object" && "columns" in value),
);

const originSchema = {
  /** The file and the line that the columns were read from; null: a database, or the migration makes the table. */
  from: z.string().nullable().default(null),
  /** A hash of what the project's files said of the table at that time; null: nothing. */
  files: z.string().nullable().default(null),
};

const kindSchema = z.object({ columns: z.array(z.string()), facts: factsSchema, ...originSchema }).optional();

const mappingSchema = z.object({
  hash: z.string(),
  /** The mapped columns of users. */
  columns: z.array(z.string()),
  /** Null: the migration makes the table. */
  users: factsSchema,
  ...originSchema,
  /** The other kinds that are on. */
  kinds: z
    .object({ organizations: kindSchema, memberships: kindSchema, roles: kindSchema, invitations: kindSchema })
    .default({}),
});

export type SavedMapping = z.infer<typeof mappingSchema>;

/** Where the columns come from. */
export type Origin = Pick<SavedMapping, "from" | "files">;

/** What is kept of the table of one kind. */
export type SavedTable = Origin & { columns: readonly string[]; facts: TableFacts | null };

function savedTable(saved: SavedMapping | null, kind: Kind): SavedTable | null {
  if (saved === null) return null;
  if (kind !== "users") return saved.kinds[kind] ?? null;
  const { columns, users: facts, from, files } = saved;
  return { columns, facts, from, files };
}

/** What was read last of the table that the configuration names; null: it was never read, or another table was. */
export function tableBefore(saved: SavedMapping | null, kind: Kind, table: TableName): SavedTable | null {
  const before = savedTable(saved, kind);
  const facts = before?.facts ?? null;
  return before !== null && facts !== null && quoteTable(facts.table) === quoteTable(table) ? before : null;
}

/** What was read last of the tables that the configuration names. */
export function tablesBefore(saved: SavedMapping | null, configuration: Configuration): KnownTables {
  const facts = (kind: Kind, table: TableName) => tableBefore(saved, kind, table)?.facts ?? null;
  const tables: KnownTables = { users: facts("users", configuration.users.table) };
  for (const kind of kindSections) {
    const section = configuration[kind];
    if (section !== null) tables[kind] = facts(kind, section.table);
  }
  return tables;
}

/** The columns that were not mapped the last time: [kind, column]; null before the first time, and of a kind that was off. */
export function addedColumns(saved: SavedMapping | null, kind: Kind, columns: readonly { name: string }[]): string[] {
  const before = savedTable(saved, kind);
  if (before === null) return [];
  return columns.map(({ name }) => name).filter((name) => !before.columns.includes(name));
}

/** What was generated last in this folder; null before the first time. Throws SyncError `config_invalid`. */
export async function readSavedMapping(folder: string): Promise<SavedMapping | null> {
  const text = await readFile(path.join(folder, savedMappingFile), "utf8").catch((cause: unknown) => {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    throw cause;
  });
  if (text === null) return null;
  try {
    const { mapping } = savedSchema.parse(JSON.parse(text));
    return mapping === undefined ? null : mappingSchema.parse(mapping);
  } catch (cause) {
    const message = `${savedMappingFile} is not as clerk-sync generate wrote it. Take it from version control, or remove it and pass --db-url.`;
    throw new SyncError("config_invalid", message, { cause });
  }
}

/** What the Edge Functions know of the mapping. */
export const runtimeMappingFile = "supabase/functions/_shared/clerk-sync/mapping.json";

export function formatRuntimeMapping(mapping: Mapping): string {
  const fields = (kind: UsersMapping | KindMapping) => ({ fields: mappedFields(kind) });
  const kinds = listKinds(mapping).map((kind) => [`${kind.kind}s`, fields(kind)] as const);
  return formatJson({ hash: mapping.hash, users: fields(mapping.users), ...Object.fromEntries(kinds) });
}

/** What a mapping is made of, and where it comes from. A table that is null is made by the migration. */
export type Columns = { tables: KnownTables; origins: Partial<Record<Kind, Origin>> };

/** What is kept of a mapping. */
export function saveMapping(mapping: Mapping, { tables, origins }: Columns) {
  const { hash, users } = mapping;
  const known = (kind: Kind) => {
    const { from = null, files = null } = origins[kind] ?? {};
    return { ...(from === null ? {} : { from }), ...(files === null ? {} : { files }) };
  };
  const kinds = kindSections.flatMap((kind) => {
    const columns = mapping[kind]?.columns.map(({ name }) => name);
    return columns === undefined ? [] : [[kind, { columns, facts: tables[kind] ?? null, ...known(kind) }] as const];
  });
  return {
    hash,
    columns: users.columns.map(({ name }) => name),
    users: tables.users,
    ...known("users"),
    ...(kinds.length === 0 ? {} : { kinds: Object.fromEntries(kinds) }),
  };
}

/** The file with what `generate` keeps of a mapping, beside what `init` keeps there. */
export function formatSavedMapping(mapping: Mapping, columns: Columns, before: string | null): string {
  const rest: unknown = before === null ? {} : JSON.parse(before);
  return formatJson({ ...(typeof rest === "object" ? rest : {}), mapping: saveMapping(mapping, columns) });
}

const formatJson = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
