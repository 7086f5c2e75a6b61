import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { formatFileName } from "../mapping/generate-schema.ts";

const schemas = "supabase/schemas";

/** The files of the schema below `root` in their order. */
export async function readSchemas(root: string): Promise<{ name: string; sql: string }[]> {
  const names = (await readdir(path.join(root, schemas))).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name) => ({ name, sql: await readFile(path.join(root, schemas, name), "utf8") })),
  );
}

/** The migration that the files of the schema make: its path below `root`, and its text. */
export async function formatMigration(root: string): Promise<{ file: string; text: string }> {
  const files = await readSchemas(root);
  const version = /select '(\d{14})';/.exec(files.at(-1)?.sql ?? "")?.[1];
  if (version === undefined) throw new Error(`The last file in ${schemas} does not say the version of the schema.`);
  const parts = files.map(({ name, sql }) => `${formatFileName(name)}${sql}`);
  const text = [`-- Generated from ${schemas} by \`npm run migration\`.\n`, ...parts].join("\n");
  return { file: `supabase/migrations/${version}_schema.sql`, text };
}

export async function writeMigration(root: string): Promise<void> {
  const { file, text } = await formatMigration(root);
  await writeFile(path.join(root, file), text);
}
