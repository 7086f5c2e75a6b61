import { SyncError } from "#core/errors.ts";

export type JsonNode = { start: number; end: number } & (
  | { kind: "object"; members: readonly JsonMember[] }
  | { kind: "array"; items: readonly JsonNode[] }
  | { kind: "plain"; value: string | number | boolean | null }
);

export type JsonMember = { name: string; nameStart: number; value: JsonNode };

export type JsonError = { offset: number; advice: string };

/** A place in a text, as editors count: both from 1. */
export type Position = { line: number; column: number };

/** So deep that no configuration gets there, and far from where the reader runs out of stack. */
const maxDepth = 50;

const blanks = /(?:\s+|\/\/[^\n\r]*|\/\*[\s\S]*?\*\/)*/y;
const text = /"(?:[^"\\\n\r]|\\[^\n\r])*"/y;
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y;
const word = /[\w$.+-]+/y;

/**
 * Reads JSON that may have comments and a comma after the last member. A comma that is missing between two members is
 * an error and is read over, so that errors behind it are found too; any other error ends the reading, without a root.
 */
export function readJson(source: string): { root: JsonNode | null; errors: readonly JsonError[] } {
  const errors: JsonError[] = [];
  let at = 0;

  /** Reads what the pattern matches here; null, and no step forward, where it does not match. */
  function take(pattern: RegExp): string | null {
    pattern.lastIndex = at;
    const [found] = pattern.exec(source) ?? [null];
    at += found?.length ?? 0;
    return found;
  }

  function next(): string {
    take(blanks);
    if (source.startsWith("/*", at)) throw stop("this comment has no end: close it with */");
    return source[at] ?? "";
  }

  function stop(advice: string): SyncError {
    return new SyncError("config_invalid", advice);
  }

  function readValue(depth: number): JsonNode {
    const first = next();
    const start = at;
    if (depth > maxDepth) throw stop(`this is more than ${maxDepth} levels deep`);
    if (first === "{") {
      const members = readList("}", () => readMember(depth));
      return { kind: "object", members, start, end: at };
    }
    if (first === "[") {
      const items = readList("]", () => readValue(depth + 1));
      return { kind: "array", items, start, end: at };
    }
    const value = first === '"' ? readText() : readNumberOrWord(first);
    return { kind: "plain", value, start, end: at };
  }

  function readMember(depth: number): JsonMember {
    const nameStart = at;
    if (source[at] !== '"') throw stop(`found ${describeNext()}: write a name in double quotes`);
    const name = readText();
    if (next() !== ":") throw stop(`found ${describeNext()}: write a colon after the name ${JSON.stringify(name)}`);
    at += 1;
    return { name, nameStart, value: readValue(depth + 1) };
  }

  function readList<Item>(end: "}" | "]", readItem: () => Item): Item[] {
    const items: Item[] = [];
    at += 1;
    while (next() !== end) {
      if (source[at] === undefined) throw stop(`the file ends here: write the missing ${end}`);
      items.push(readItem());
      const itemEnd = at;
      if (next() === ",") at += 1;
      else if (source[at] === '"' || source[at] === "{") {
        errors.push({ offset: itemEnd, advice: "write a comma between two entries" });
      } else if (source[at] !== end && source[at] !== undefined) {
        throw stop(`found ${describeNext()}: write a comma, or ${end}`);
      }
    }
    at += 1;
    return items;
  }

  function readText(): string {
    const start = at;
    const found = take(text);
    if (found === null) throw stop("this text has no end: close it with a double quote on the same line");
    try {
      return JSON.parse(found) as string;
    } catch {
      at = start;
      throw stop(`found ${found}: write a tab as \\t, and a backslash as \\\\`);
    }
  }

  function readNumberOrWord(first: string): number | boolean | null {
    const start = at;
    const digits = take(number);
    if (digits !== null) return Number(digits);
    if (first === "") throw stop("the file ends here: write a value");
    const found = take(word);
    if (found === "true") return true;
    if (found === "false") return false;
    if (found === "null") return null;
    at = start;
    throw stop(`found ${describeNext()}: write a text in double quotes, a number, true, false, null, { … } or [ … ]`);
  }

  function describeNext(): string {
    if (source[at] === undefined) return "the end of the file";
    const start = at;
    const found = take(word) ?? String.fromCodePoint(source.codePointAt(at) ?? 0);
    at = start;
    return `\`${found.slice(0, 40)}\``;
  }

  try {
    if (next() === "") throw stop("the file is empty: write { … }, or delete the file");
    const root = readValue(0);
    if (next() !== "") throw stop(`found ${describeNext()} after the end: the file holds one object`);
    return { root, errors };
  } catch (thrown) {
    if (!(thrown instanceof SyncError)) throw thrown;
    return { root: null, errors: [...errors, { offset: at, advice: thrown.message }] };
  }
}

/** The value as JSON.parse gives it. Of two members of one name the later counts. */
export function plainValue(node: JsonNode): unknown {
  if (node.kind === "array") return node.items.map(plainValue);
  if (node.kind === "plain") return node.value;
  return Object.fromEntries(node.members.map(({ name, value }) => [name, plainValue(value)]));
}

/** The second and later members of one name, each with its path. */
export function listRepeated(node: JsonNode, path: readonly (string | number)[] = []): (string | number)[][] {
  if (node.kind === "plain") return [];
  if (node.kind === "array") return node.items.flatMap((item, index) => listRepeated(item, [...path, index]));
  const names = node.members.map(({ name }) => name);
  const repeated = [...new Set(names.filter((name, index) => names.indexOf(name) < index))];
  const within = node.members.flatMap(({ name, value }) => listRepeated(value, [...path, name]));
  return [...repeated.map((name) => [...path, name]), ...within];
}

/**
 * Where a path leads to: `at` "value" is its value, "name" is the name of its member. Where the path leads to nothing,
 * the innermost thing on the way that is there.
 */
export function offsetOf(root: JsonNode, path: readonly (string | number)[], at: "value" | "name"): number {
  let node = root;
  let offset = root.start;
  for (const step of path) {
    const member = node.kind === "object" ? node.members.findLast(({ name }) => name === step) : undefined;
    const next = member?.value ?? (node.kind === "array" && typeof step === "number" ? node.items[step] : undefined);
    if (next === undefined) break;
    node = next;
    offset = at === "name" && member !== undefined ? member.nameStart : next.start;
  }
  return offset;
}

/** The place of an offset in the text. */
export function positionOf(source: string, offset: number): Position {
  const lines = source.slice(0, offset).split(/\r\n|\n|\r/);
  return { line: lines.length, column: (lines.at(-1) ?? "").length + 1 };
}
