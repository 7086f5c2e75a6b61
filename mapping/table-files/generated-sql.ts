import type { Place } from "./catalog.ts";
import type { SqlText } from "./read-sql.ts";

/** SQL as a tool makes it of its schema, line by line, with the place in the schema that each line comes from. */
export type SqlLines = readonly { text: string; place: Place }[];

/** A column that an app's ORM fills in a new row, and the database does not. */
export type FilledByApp = {
  table: { schema: string | null; name: string };
  column: string;
  /** As the schema has it: `cuid()`, `@updatedAt`, `$defaultFn`. */
  how: string;
};

export function sqlOfLines(lines: SqlLines): SqlText {
  const written = lines.flatMap(({ text, place }) => text.split("\n").map((line) => ({ line, place })));
  return {
    text: written.map(({ line }) => line).join("\n"),
    placeOfLine: (line) => (written[line - 1] ?? written.at(-1))?.place ?? { file: "", line: 1 },
  };
}
