import { isDeepStrictEqual } from "node:util";
import { parse } from "smol-toml";
import { errorMessage, SyncError } from "#core/errors.ts";

export type ConfigTable = Record<string, unknown>;

/** The `[functions.<name>]` section that a function needs. */
export type FunctionSection = { name: string; values: Readonly<Record<string, string | boolean>> };

/** Parses the text of a config.toml. Throws SyncError `project_invalid` with the line. */
export function parseConfig(text: string): ConfigTable {
  try {
    return parse(text);
  } catch (cause) {
    const message = `supabase/config.toml cannot be read: ${errorMessage(cause).trim()}. Correct it and run this again.`;
    throw new SyncError("project_invalid", message, { cause });
  }
}

/** A table of `functions`, or null where there is none; undefined where something else stands there. */
export function readFunctionTable(config: ConfigTable, name: string): ConfigTable | null | undefined {
  const functions = config["functions"];
  if (functions === undefined) return null;
  if (!isTable(functions)) return undefined;
  const section = functions[name];
  if (section === undefined) return null;
  return isTable(section) ? section : undefined;
}

/** The text of a section of ours, with the line ends of `around` and a blank line before it. */
export function formatSection({ name, values }: FunctionSection, around: string): string {
  const eol = findEol(around);
  const start = around === "" ? "" : eol;
  const lines = [
    "# From clerk-supabase-sync (clerk-sync init). The function checks its caller itself: verify_jwt stays false.",
    `[functions.${name}]`,
    ...Object.entries(values).map(([key, value]) => `${key} = ${formatValue(value)}`),
  ];
  return start + lines.map((line) => line + eol).join("");
}

/** Puts a section at the end. Null where the text allows no such section, such as after `functions = { … }`. */
export function appendSection(text: string, section: FunctionSection): { text: string; added: string } | null {
  const added = (text === "" || text.endsWith("\n") ? "" : findEol(text)) + formatSection(section, text);
  const changed = text + added;
  return meansTheSame(changed, text, (config) => setFunction(config, section.name, section.values))
    ? { text: changed, added }
    : null;
}

/** Takes a section out that stands there exactly as it was put in; null where it does not. */
export function removeSection(text: string, name: string, added: string): string | null {
  const inserted = added.replaceAll(/\r?\n/g, findEol(text));
  const start = text.indexOf(inserted);
  if (inserted === "" || start === -1) return null;
  const [before, after] = [text.slice(0, start), text.slice(start + inserted.length)];
  const isLineOpen = before !== "" && !before.endsWith("\n") && after !== "";
  const changed = before + (isLineOpen ? findEol(text) : "") + after;
  return meansTheSame(changed, text, (config) => setFunction(config, name, undefined)) ? changed : null;
}

/** True when `changed` parses to what `text` parses to after `change`: nothing else was lost or touched. */
export function meansTheSame(changed: string, text: string, change: (config: ConfigTable) => void): boolean {
  const expected = parseConfig(text);
  change(expected);
  try {
    return isDeepStrictEqual(withoutEmptyFunctions(parseConfig(changed)), withoutEmptyFunctions(expected));
  } catch {
    return false; // no TOML any more
  }
}

/** `[functions]` without a section means nothing. */
function withoutEmptyFunctions({ functions, ...others }: ConfigTable): ConfigTable {
  const isEmpty = functions === undefined || (isTable(functions) && Object.keys(functions).length === 0);
  return isEmpty ? others : { ...others, functions };
}

function setFunction(config: ConfigTable, name: string, values: ConfigTable | undefined): void {
  const functions = isTable(config["functions"]) ? config["functions"] : createTable({});
  if (values === undefined) delete functions[name];
  else functions[name] = createTable(values);
  config["functions"] = functions;
}

/** A table as the parser makes it: without a prototype, so that no key means anything else. */
function createTable(values: ConfigTable): ConfigTable {
  return Object.assign(Object.create(null), values);
}

export function formatValue(value: string | boolean): string {
  return JSON.stringify(value);
}

export function findEol(text: string): "\r\n" | "\n" {
  return text.includes("\r\n") ? "\r\n" : "\n";
}

export function isTable(value: unknown): value is ConfigTable {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null;
}
