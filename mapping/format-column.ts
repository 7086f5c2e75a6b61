import type { ColumnConfiguration } from "./configuration.ts";
import type { UserSource } from "./sources.ts";

/** A column as the file has it: the source alone, or an object when there is more to say. */
export function formatColumn({ source, default: value, write, allowed }: ColumnConfiguration<UserSource>): string {
  const settings = [
    `"from": ${JSON.stringify(source)}`,
    ...(value === undefined ? [] : [`"default": ${JSON.stringify(value)}`]),
    ...(write === "once" ? ['"write": "once"'] : []),
    ...(allowed === null ? [] : [`"allowed": [${allowed.map((each) => JSON.stringify(each)).join(", ")}]`]),
    ...(source.startsWith("unsafe_metadata.") ? ['"allow_unsafe": true'] : []),
  ];
  return settings.length === 1 ? JSON.stringify(source) : `{ ${settings.join(", ")} }`;
}
