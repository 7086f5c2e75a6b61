import { z } from "zod";
import type { CallFunction } from "#core/database/database.ts";
import { SyncError } from "#core/errors.ts";
import { suggestName } from "../../mapping/suggest-name.ts";

const columnsSchema = z.array(z.object({ name: z.string(), source: z.string(), is_written: z.boolean() }));

/** Checks that a backfill can fill these columns. Throws SyncError `usage_invalid` that names all it cannot. */
export async function checkColumns(columns: readonly string[], call: CallFunction): Promise<void> {
  const known = columnsSchema.parse(await call("clerk_sync_user_columns", {}));
  const fillable = known.filter((column) => column.is_written).map(({ name }) => name);
  const problems = columns
    .filter((name) => !fillable.includes(name))
    .map((name) => describe(name, known.find((column) => column.name === name)?.source, fillable));
  if (problems.length > 0) throw new SyncError("usage_invalid", `--columns: ${problems.join(" ")}`);
}

/** `source`: of a column that is mapped and cannot be filled. */
function describe(name: string, source: string | undefined, fillable: readonly string[]): string {
  if (source === "now") return `${name} holds the time of each write, and there is nothing to fill.`;
  if (source !== undefined)
    return `${name} is written only when a row is made, so that a row that is there keeps its own.`;
  const suggestion = suggestName(name, fillable);
  if (suggestion !== null) return `${name} is not mapped; did you mean ${suggestion}?`;
  return `${name} is not mapped. Columns that can be filled: ${fillable.join(", ") || "none"}.`;
}
