import type { ColumnConfiguration } from "./configuration.ts";
import type { Source } from "./source-types.ts";

/** A column as the file has it: the source alone, or an object when there is more to say. */
export function formatColumn({
  source,
  default: value,
  write,
  allowed,
  as = null,
}: ColumnConfiguration<Source> & { as?: string | null }): string {
  const settings = [
    `"from": ${JSON.stringify(source)}`,
    ...(as === null ? [] : [`"as": ${JSON.stringify(as)}`]),
    ...(value === undefined ? [] : [`"default": ${JSON.stringify(value)}`]),
    ...(write === "once" ? ['"write": "once"'] : []),
    ...(allowed === null ? [] : [`"allowed": [${allowed.map((each) => JSON.stringify(each)).join(", ")}]`]),
    ...(source.startsWith("unsafe_metadata.") ? ['"allow_unsafe": true'] : []),
  ];
  return settings.length === 1 ? JSON.stringify(source) : `{ ${settings.join(", ")} }`;
}
