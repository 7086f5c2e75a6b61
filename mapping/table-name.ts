import type { TableName } from "./mapping.ts";

/** PostgreSQL cuts longer names. */
const maxNameBytes = 63;

const part = /"((?:[^"]|"")+)"|([^".]+)/y;

/**
 * Reads the name of a table: `public.profiles`, `profiles` (in public), `public."User"`. Without quotes a name is taken
 * as it stands, capitals included: `public.User` is the table "User", other than in SQL. Quotes are needed only for a
 * name with a dot or a quote in it. The advice says what is wrong.
 */
export function parseTableName(text: string): TableName | { advice: string } {
  const parts: string[] = [];
  for (let at = 0; at <= text.length; at += 1) {
    part.lastIndex = at;
    const found = part.exec(text);
    if (found === null) return { advice: "write schema.table, like `public.profiles`" };
    parts.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? "");
    at += found[0].length;
    if (at < text.length && text[at] !== ".") return { advice: "write schema.table, like `public.profiles`" };
  }
  if (parts.length > 2) {
    return { advice: `write schema.table, without the database: \`${parts.slice(1).map(quotePart).join(".")}\`` };
  }
  const advice = parts.map(judgeName).find((each) => each !== null);
  if (advice) return { advice };
  const [first = "", second] = parts;
  return second === undefined ? { schema: "public", name: first } : { schema: first, name: second };
}

/** As the configuration writes it; parseTableName reads it back. */
export function formatTableName({ schema, name }: TableName): string {
  return `${quotePart(schema)}.${quotePart(name)}`;
}

function quotePart(name: string): string {
  return /[".]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}

/** What is wrong with a name of a table, column or schema, as the catalog has it; null: nothing. */
export function judgeName(name: string): string | null {
  if (name === "") return "write a name";
  if (name.includes("\0")) return "a name in PostgreSQL cannot contain the character 0";
  if (name !== name.trim()) return `did you mean \`${name.trim()}\`, without blanks around it?`;
  if (new TextEncoder().encode(name).length > maxNameBytes) {
    return `a name in PostgreSQL has at most ${maxNameBytes} bytes`;
  }
  return null;
}

/** The same for the name of a column. */
export function judgeColumnName(name: string): string | null {
  const [, inner] = /^"(.+)"$/s.exec(name) ?? [];
  if (inner !== undefined) {
    return `write the name as the table has it, without quotes of its own: \`${inner.replaceAll('""', '"')}\``;
  }
  return name === "__proto__" ? "this name cannot be used" : judgeName(name);
}
