import { z } from "zod";
import type { Finding } from "./finding.ts";
import type { Database } from "./reach-database.ts";

const looksSchema = z.object({ rows: z.number().int(), is_all: z.boolean() });
const emptySchema = z.object({ name: z.string(), source: z.string(), is_written: z.boolean() });
const refusedSchema = z.object({
  name: z.string(),
  kind: z.string(),
  users: z.number().int(),
  example: z.string(),
});

/** What clerk_sync_table_content answers. */
export const contentSchema = z.object({
  table: z.string(),
  looked_at: looksSchema.extend({ empty: z.array(emptySchema) }),
  unlinked: looksSchema.extend({ examples: z.array(z.string()) }),
  refused: z.object({ is_all: z.boolean(), values: z.array(refusedSchema) }),
});

type Content = z.infer<typeof contentSchema>;

/** Whether what the table holds is what the mapping is for: values in its columns, ids in its rows, nothing refused. */
export function explainContent(content: Content, database: Pick<Database, "isSupabase">): Finding[] {
  const apply = database.isSupabase ? "clerk-sync generate, apply it" : "clerk-sync migrate, restart each server";
  return [...explainEmpty(content), explainUnlinked(content, apply), ...explainRefused(content, apply)];
}

function explainEmpty({ table, looked_at: { rows, is_all, empty } }: Content): Finding[] {
  const check = "mapped columns";
  if (rows === 0) return [{ check, state: "ok", what: "no user has a row yet" }];
  const looked = rows === 1 ? "1 row" : `${rows.toLocaleString("en-US")} rows`;
  const where = is_all ? `the ${looked} of users` : `the newest ${looked} of users`;
  if (empty.length === 0) return [{ check, state: "ok", what: `each has a value somewhere in ${where}` }];
  return empty.map((column) => ({
    check,
    state: "warning",
    what: `${column.name} of ${table} is empty in ${where}`,
    remedy: fill(column),
  }));
}

function fill({ name, source, is_written }: z.infer<typeof emptySchema>): string {
  if (!is_written) {
    return `The sync writes ${name} only when it makes a row. Fill it in the rows that were there by a statement of yours, if your app needs it.`;
  }
  const command = `clerk-sync backfill --columns ${name} fills it where users have ${source} at Clerk.`;
  const otherwise = source.includes("metadata.")
    ? "is that path in clerk-sync.config.json right?"
    : "nothing is wrong.";
  return `${command} If none has it, ${otherwise}`;
}

/** `apply`: what is run after a change of the file. */
function explainUnlinked({ table, unlinked: { rows, is_all, examples } }: Content, apply: string): Finding {
  const check = "rows without id";
  if (rows === 0) return { check, state: "ok", what: `each row of ${table} has a Clerk id` };
  const count = `${is_all ? "" : "more than "}${rows.toLocaleString("en-US")}`;
  const [have, each] = rows === 1 ? ["row has", "it"] : ["rows have", "each"];
  const remedy = `"link_by": "email" in clerk-sync.config.json gives ${each} to the user who has verified its address at Clerk: run ${apply}, and run clerk-sync backfill. By hand: clerk-sync users link <clerk id> --row ${examples[0] ?? "<row>"}. A row of somebody who is not at Clerk stays as it is (docs/your-table.md).`;
  const what = `${count} ${have} no Clerk id in ${table}: ${examples.join(", ")}${rows > examples.length ? ", …" : ""}`;
  return { check, state: "warning", what, remedy };
}

const kinds: Readonly<Record<string, string>> = {
  array: "an array",
  object: "an object",
  number: "a number",
  boolean: "true or false",
  text: "a text",
};

function explainRefused({ refused: { is_all, values } }: Content, apply: string): Finding[] {
  const check = "refused values";
  if (values.length === 0) return [{ check, state: "ok", what: "none: each column took what Clerk has" }];
  return values.map(({ name, kind, users, example }) => {
    const count = `${is_all ? "" : "at least "}${users.toLocaleString("en-US")} ${users === 1 ? "user" : "users"}`;
    const correct = `correct it at Clerk; clerk-sync users show ${example} shows one.`;
    const isList = kind === "array" || kind === "object";
    const allow = `Add the value to "allowed" of ${name} in clerk-sync.config.json (to the labels, where the column is an enum), run ${apply}, and run clerk-sync backfill --columns ${name}. Or ${correct}`;
    return {
      check,
      state: "warning",
      what: `${name} did not take ${kinds[kind] ?? kind} that ${count} ${users === 1 ? "has" : "have"} at Clerk, and has its default there`,
      remedy: isList ? `The column takes one text: ${correct}` : allow,
    };
  });
}
