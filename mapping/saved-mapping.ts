import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { SyncError } from "#core/errors.ts";
import type { Configuration } from "./configuration.ts";
import type { Mapping, TableFacts } from "./mapping.ts";
import { quoteTable } from "./quote.ts";
import { mappedFields } from "./resolve.ts";

/** Where `generate` keeps what it generated from, so that it knows the columns without a database; init keeps its manifest there. */
export const savedMappingFile = "supabase/clerk-sync.json";

const savedSchema = z.object({ mapping: z.unknown().optional() });

const mappingSchema = z.object({
  hash: z.string(),
  /** The mapped columns. */
  columns: z.array(z.string()),
  /** Null: the migration makes the table. */
  users: z.custom<TableFacts | null>((value) => value === null || (typeof value === "object" && "columns" in value)),
  /** The file and the line that the columns were read from; null: a database, or the migration makes the table. */
  from: z.string().nullable().default(null),
  /** A hash of what the project's files said of the table at that time; null: nothing. */
  files: z.string().nullable().default(null),
});

export type SavedMapping = z.infer<typeof mappingSchema>;

/** Where the columns come from. */
export type Origin = Pick<SavedMapping, "from" | "files">;

/** What was read last of the table that the configuration names; null: it was never read, or another table was. */
export function factsOfTable(saved: SavedMapping | null, { users }: Pick<Configuration, "users">): TableFacts | null {
  const facts = saved?.users ?? null;
  return facts !== null && quoteTable(facts.table) === quoteTable(users.table) ? facts : null;
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

export function formatRuntimeMapping({ hash, users }: Mapping): string {
  return formatJson({ hash, users: { fields: mappedFields(users) } });
}

/** The columns that a mapping is made of, and where they come from. `facts` null: the migration makes the table. */
export type Columns = { facts: TableFacts | null; origin: Origin };

/** What is kept of a mapping. */
export function saveMapping({ hash, users }: Mapping, { facts, origin: { from, files } }: Columns) {
  const known = { ...(from === null ? {} : { from }), ...(files === null ? {} : { files }) };
  return { hash, columns: users.columns.map(({ name }) => name), users: facts, ...known };
}

/** The file with what `generate` keeps of a mapping, beside what `init` keeps there. */
export function formatSavedMapping(mapping: Mapping, columns: Columns, before: string | null): string {
  const rest: unknown = before === null ? {} : JSON.parse(before);
  return formatJson({ ...(typeof rest === "object" ? rest : {}), mapping: saveMapping(mapping, columns) });
}

const formatJson = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
