import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { ClientBase } from "pg";
import { SyncError } from "#core/errors.ts";
import type { Configuration } from "../../mapping/configuration.ts";
import { quoteIdentifier } from "../../mapping/quote.ts";
import { configurationName } from "../../mapping/read-configuration.ts";
import { commentOfOurs } from "../../mapping/read-table.ts";
import { migrationsPath } from "./read-project.ts";

/** The schema of the helpers where somebody else has made something in it, and what that is. */
type TakenSchema = { schema: string; holds: readonly string[] };

/**
 * What is in the schema into which the helpers for policies go, in the database at `databaseUrl`, else by the project's
 * migrations. Null: nothing of somebody else's, or the helpers are there already.
 */
export async function findTakenSchema(
  folder: string,
  { helpers }: Pick<Configuration, "helpers">,
  { databaseUrl, isInstalled }: { databaseUrl?: string | undefined; isInstalled: boolean },
): Promise<TakenSchema | null> {
  const schema = helpers?.schema ?? "clerk";
  if (databaseUrl === undefined && isInstalled) return null;
  const holds = databaseUrl === undefined ? await readFiles(folder, schema) : await readDatabase(databaseUrl, schema);
  return holds.length === 0 ? null : { schema, holds };
}

/** The configuration that names it, and its text. */
export function nameHelpersSchema(
  { configuration, text }: { configuration: Configuration; text: string },
  { schema }: TakenSchema,
): { configuration: Configuration; text: string } {
  const line = `  "helpers": { "schema": ${JSON.stringify(schema)} }`;
  return { configuration: { ...configuration, helpers: { schema } }, text: text.replace(/\n}\n$/, `,\n${line}\n}\n`) };
}

/** What a person is told of it, where the configuration names the schema. */
export function describeTakenSchema({ schema, holds }: TakenSchema): string {
  return `Schema ${schema} holds ${holds.join(", ")}. They stay as they are, and the helpers for policies go beside them. To keep them apart, name another schema in ${configurationName}: "helpers": { "schema": "…" }`;
}

/** Where it does not: nobody has agreed. */
export function refuseTakenSchema({ schema, holds }: TakenSchema): SyncError {
  return new SyncError(
    "migration_refused",
    `The helpers for policies go into schema ${schema}, which holds ${holds.join(", ")}. Say in ${configurationName} where they go: "helpers": { "schema": ${JSON.stringify(schema)} } puts them beside what is there, another name keeps them apart. Nothing was changed.`,
  );
}

async function readDatabase(databaseUrl: string, schema: string): Promise<string[]> {
  const { withConnection } = await import("../../server/with-connection.ts");
  return withConnection(databaseUrl, (client) => readSchema(client, schema), "--db-url");
}

async function readSchema(client: ClientBase, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string; is_ours: boolean }>(
    `select i.kind || ' ' || i.name as name, i.is_ours
     from (
       select
         case c.relkind when 'f' then 'foreign table' when 'v' then 'view' when 'm' then 'view' else 'table' end as kind,
         format('%s.%I', c.relnamespace::regnamespace, c.relname) as name, c.relnamespace as schema, false as is_ours
       from pg_catalog.pg_class as c
       where c.relkind in ('r', 'p', 'f', 'v', 'm')
       union all
       select
         'function', format('%s.%I', p.pronamespace::regnamespace, p.proname), p.pronamespace,
         coalesce(starts_with(obj_description(p.oid, 'pg_proc'), $2), false)
       from pg_catalog.pg_proc as p
     ) as i
     where i.schema = to_regnamespace($1)
     order by 1`,
    [quoteIdentifier(schema), commentOfOurs],
  );
  return rows.some(({ is_ours }) => is_ours) ? [] : rows.map(({ name }) => name);
}

/** Statements that make something in the schema, in migrations of the project's own. */
async function readFiles(folder: string, schema: string): Promise<string[]> {
  const names = await readdir(path.join(folder, migrationsPath)).catch((): string[] => []);
  const own = names.filter((name) => name.endsWith(".sql") && !/^\d+_clerk_sync_/.test(name)).sort();
  const found = await Promise.all(
    own.map(async (name) => findMade(await readFile(path.join(folder, migrationsPath, name), "utf8"), schema)),
  );
  return [...new Set(found.flat())];
}

/** What SQL makes in a schema: `foreign table clerk.users`. */
function findMade(sql: string, schema: string): string[] {
  const text = sql.replaceAll(/--.*|\/\*[\s\S]*?\*\//g, " ");
  const name = `"?${schema.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}"?`;
  const statement = new RegExp(
    `\\bcreate\\s+(?:or\\s+replace\\s+)?(foreign\\s+table|table|(?:materialized\\s+)?view|function)\\s+(?:if\\s+not\\s+exists\\s+)?${name}\\.("?[\\w$]+"?)`,
    "gi",
  );
  return [...text.matchAll(statement)].map(
    ([, kind = "", object]) => `${kind.toLowerCase().replaceAll(/\s+/g, " ")} ${schema}.${object}`,
  );
}
