import {
  type ConfigTable,
  findEol,
  formatValue,
  isTable,
  meansTheSame,
  parseConfig,
  readFunctionTable,
} from "./config-text.ts";

/** One value that a function's section must have. */
type ConfigValue = { name: string; key: string; value: string | boolean };

/** A config.toml with one value set, and the number of the line that was changed or added. */
type ConfigEdit = { text: string; line: number };

/**
 * Sets one value of an existing function section and leaves every other byte as it is; null where that cannot be done.
 * TOML has many ways to write a table, so the place is found by trying: of all places that might be the one, that is
 * right whose change makes the text parse to what was there before plus this value.
 */
export function setConfigValue(text: string, wanted: ConfigValue): ConfigEdit | null {
  const table = readFunctionTable(parseConfig(text), wanted.name);
  if (!table) return null;
  const lines = text.split(/(?<=\n)/);
  const variantsOf = wanted.key in table ? listReplacements : listInsertions;
  for (const [index, line] of lines.entries()) {
    for (const variant of variantsOf(line, wanted, findEol(text))) {
      const changed = lines.with(index, variant).join("");
      const isRight = meansTheSame(changed, text, (config) => setValue(config, wanted));
      if (isRight) return { text: changed, line: index + 1 };
    }
  }
  return null;
}

/** The line with each value of that key replaced. */
function listReplacements(line: string, { key, value }: ConfigValue): string[] {
  const pattern = new RegExp(`(\\b${key}["']?\\s*=\\s*)(true|false|"[^"\\n]*"|'[^'\\n]*')`, "g");
  return [...line.matchAll(pattern)].map(({ index, 0: all, 1: start = "" }) => {
    return line.slice(0, index) + start + formatValue(value) + line.slice(index + all.length);
  });
}

/** The line with the value added: below a header, before a dotted key, at the front of an inline table. */
function listInsertions(line: string, { name, key, value }: ConfigValue, eol: string): string[] {
  if (!line.includes(name)) return [];
  const setting = `${key} = ${formatValue(value)}`;
  const ended = line.endsWith("\n") ? line : line + eol;
  const inline = [...line.matchAll(/\{/g)].flatMap(({ index }) =>
    [`{ ${setting} `, `{ ${setting},`].map((start) => line.slice(0, index) + start + line.slice(index + 1)),
  );
  return [
    `${ended}${setting}${eol}`,
    `functions.${name}.${setting}${eol}${line}`,
    `${name}.${setting}${eol}${line}`,
    ...inline,
  ];
}

function setValue(config: ConfigTable, { name, key, value }: ConfigValue): void {
  const functions = config["functions"];
  const table = isTable(functions) ? functions[name] : undefined;
  if (isTable(table)) table[key] = value;
}
