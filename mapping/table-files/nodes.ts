import type { A_Const, Node } from "libpg-query";
import type { WrittenName } from "./catalog.ts";

/** What the parser leaves out is empty, zero or false. */
export function textOf(node: Node | undefined): string | null {
  return node !== undefined && "String" in node ? (node.String.sval ?? "") : null;
}

export function texts(nodes: readonly Node[] | undefined): string[] {
  return (nodes ?? []).flatMap((node) => textOf(node) ?? []);
}

export function integerOf(node: Node | undefined): number | null {
  if (node === undefined) return null;
  if ("Integer" in node) return node.Integer.ival ?? 0;
  if ("A_Const" in node && node.A_Const.ival !== undefined) return node.A_Const.ival.ival ?? 0;
  return null;
}

export function constantOf(node: Node | undefined): A_Const | null {
  return node !== undefined && "A_Const" in node ? node.A_Const : null;
}

/** A name of parts: the last two are schema and name. */
export function qualifiedName(nodes: readonly Node[] | undefined): WrittenName {
  const parts = texts(nodes);
  return { schema: parts.at(-2) ?? null, name: parts.at(-1) ?? "" };
}

/** The same of a node that is a list, a name of a type, or one name. */
export function nameOfObject(node: Node | undefined): WrittenName {
  if (node === undefined) return { schema: null, name: "" };
  if ("List" in node) return qualifiedName(node.List.items);
  if ("TypeName" in node) return qualifiedName(node.TypeName.names);
  return { schema: null, name: textOf(node) ?? "" };
}

/** Columns that an expression names. */
export function columnNames(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(columnNames);
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => {
    if (key !== "ColumnRef") return columnNames(value);
    const fields: unknown = typeof value === "object" && value !== null && "fields" in value ? value.fields : [];
    const name = Array.isArray(fields) ? textOf(fields.at(-1)) : null;
    return name === null ? [] : [name];
  });
}
