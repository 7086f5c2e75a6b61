import { tsPlugin } from "@sveltejs/acorn-typescript";
import { Parser } from "acorn";

/** A node of the syntax tree; what is in it is asked by name. */
export type Syntax = { type: string; start: number; end: number };

/** A module of TypeScript or JavaScript, read as text: what it declares at its top, and what it imports. */
export type Module = {
  file: string;
  lineOf: (node: Syntax) => number;
  textOf: (node: Syntax) => string;
  imports: ReadonlyMap<string, { from: string; name: string }>;
  /** Constants and functions. */
  declared: ReadonlyMap<string, Syntax>;
  /** By the name under which others import them. */
  exported: ReadonlyMap<string, string>;
  /** `export … from`; `*` is all. */
  passedOn: readonly { from: string; name: string; as: string }[];
};

const TypeScriptParser = Parser.extend(tsPlugin());

/** Null: it is no module that the parser takes. */
export function parseModule(file: string, text: string): Module | null {
  const program = parse(text);
  if (program === null) return null;
  const ends = [...text.matchAll(/\n/g)].map(({ index }) => index);
  const nodes = childrenOf(program, "body");
  const exports = nodes.filter(({ type }) => type === "ExportNamedDeclaration");
  const ownExports = exports.filter((node) => childOf(node, "source") === null);
  return {
    file,
    lineOf: ({ start }) => ends.filter((end) => end < start).length + 1,
    textOf: ({ start, end }) => text.slice(start, end),
    imports: new Map(nodes.flatMap(readImports)),
    declared: new Map(nodes.flatMap((node) => readDeclared(childOf(node, "declaration") ?? node))),
    exported: new Map(ownExports.flatMap(readExports)),
    passedOn: nodes.flatMap(readPassedOn),
  };
}

function readImports(node: Syntax): [string, { from: string; name: string }][] {
  const from = stringOf(childOf(node, "source"));
  if (node.type !== "ImportDeclaration" || from === null) return [];
  return childrenOf(node, "specifiers").flatMap((each): [string, { from: string; name: string }][] => {
    const local = nameOf(childOf(each, "local"));
    return local === null ? [] : [[local, { from, name: importedName(each) }]];
  });
}

function readDeclared(node: Syntax): [string, Syntax][] {
  const named = node.type === "VariableDeclaration" ? childrenOf(node, "declarations") : [node];
  return named.flatMap((each): [string, Syntax][] => {
    const name = nameOf(childOf(each, "id"));
    const value = each.type === "VariableDeclarator" ? childOf(each, "init") : each;
    return name === null || value === null ? [] : [[name, value]];
  });
}

/** `export const a = …` and `export { a as b }`. */
function readExports(node: Syntax): [string, string][] {
  const declaration = childOf(node, "declaration");
  if (declaration !== null) return readDeclared(declaration).map(([name]) => [name, name]);
  return childrenOf(node, "specifiers").map((each) => {
    const local = nameOf(childOf(each, "local")) ?? "";
    return [nameOf(childOf(each, "exported")) ?? local, local];
  });
}

function readPassedOn(node: Syntax): { from: string; name: string; as: string }[] {
  const from = stringOf(childOf(node, "source"));
  if (from === null || node.type === "ImportDeclaration") return [];
  if (node.type === "ExportAllDeclaration") return [{ from, name: "*", as: "*" }];
  return childrenOf(node, "specifiers").map((each) => {
    const name = nameOf(childOf(each, "local")) ?? "";
    return { from, name, as: nameOf(childOf(each, "exported")) ?? name };
  });
}

function parse(text: string): Syntax | null {
  try {
    return TypeScriptParser.parse(text, { sourceType: "module", ecmaVersion: "latest", locations: true });
  } catch {
    return null; // the caller says that the file cannot be read
  }
}

function importedName(node: Syntax): string {
  if (node.type === "ImportDefaultSpecifier") return "default";
  return node.type === "ImportNamespaceSpecifier" ? "*" : (nameOf(childOf(node, "imported")) ?? "");
}

export function partOf(node: Syntax, name: string): unknown {
  return Object.entries(node).find(([key]) => key === name)?.[1];
}

function isSyntax(value: unknown): value is Syntax {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

export function childOf(node: Syntax | null, name: string): Syntax | null {
  const value = node === null ? null : partOf(node, name);
  return isSyntax(value) ? value : null;
}

/** Without holes. */
export function childrenOf(node: Syntax | null, name: string): Syntax[] {
  const value = node === null ? null : partOf(node, name);
  return Array.isArray(value) ? value.filter(isSyntax) : [];
}

/** Of an identifier, or of a text that stands for one. */
export function nameOf(node: Syntax | null): string | null {
  if (node === null) return null;
  const name = partOf(node, "name");
  return typeof name === "string" ? name : stringOf(node);
}

export function stringOf(node: Syntax | null): string | null {
  const value = node?.type === "Literal" ? partOf(node, "value") : null;
  return typeof value === "string" ? value : null;
}

/** `x as T`, `x satisfies T`, `x!` and `(x)` are x. */
export function withoutTypes(node: Syntax): Syntax {
  const inner = childOf(node, "expression");
  const isOnlyTypes = /^TS(?:As|Satisfies|NonNull|TypeAssertion|Instantiation)/.test(node.type);
  return inner !== null && (isOnlyTypes || node.type === "ParenthesizedExpression") ? withoutTypes(inner) : node;
}
