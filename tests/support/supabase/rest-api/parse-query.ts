import { postgrestFailure } from "../../../../local/supabase/postgrest-failure.ts";
import { refuse } from "./refuse.ts";

export type Condition =
  | { kind: "compare"; column: string; operator: string; value: string; isNegated: boolean }
  | { kind: "and" | "or"; conditions: Condition[]; isNegated: boolean };

/** What the query string of a request asks for. */
export type Query = {
  /** `*`, or columns under the name they are answered by. */
  columns: { name: string; column: string }[] | "*";
  /** Other relations named in `select`. */
  embedded: string[];
  conditions: Condition[];
  order: { column: string; isDescending: boolean }[];
  limit: number;
  offset: number;
  onConflict: string[];
};

/** Supabase's default of max_rows. */
const mostRows = 1000;

const reserved = new Set(["select", "order", "limit", "offset", "on_conflict", "columns"]);

/**
 * Parses the part of PostgREST's grammar that tests use (docs.postgrest.org, "URL Grammar"): select with aliases and
 * embedded relations, filters with not, and, or, order, limit and offset. Not casts, JSON paths or aggregates: they are
 * taken for names of columns, which the database does not know.
 */
export function parseQuery(parameters: URLSearchParams): Query {
  const items = splitList(parameters.get("select") || "*");
  const plain = items.filter((item) => !item.includes("("));
  return {
    columns: plain.includes("*") ? "*" : plain.map(parseColumn),
    embedded: items
      .filter((item) => item.includes("("))
      .map((item) => item.match(/([^:.!(]+)(?:![^(]*)?\(/)?.[1] ?? item),
    conditions: [...parameters]
      .filter(([name]) => !reserved.has(name))
      .map(([name, value]) => parseFilter(name, value)),
    order: splitList(parameters.get("order") ?? "").map((item) => {
      const [column = "", direction] = item.split(".");
      return { column, isDescending: direction === "desc" };
    }),
    limit: Math.min(Number(parameters.get("limit") ?? mostRows), mostRows),
    offset: Number(parameters.get("offset") ?? 0),
    onConflict: splitList(parameters.get("on_conflict") ?? ""),
  };
}

function parseColumn(item: string): { name: string; column: string } {
  const [first = "", second] = item.split(":").map(unquote);
  return { name: first, column: second ?? first };
}

/** `column=not.eq.value`, or `or=(a.eq.1,b.eq.2)`. */
function parseFilter(name: string, value: string): Condition {
  const logic = name.match(/^(not\.)?(and|or)$/);
  if (logic !== null) return parseGroup(logic[2] === "or" ? "or" : "and", value, logic[1] !== undefined);
  return parseComparison(name, value);
}

function parseGroup(kind: "and" | "or", list: string, isNegated: boolean): Condition {
  return { kind, isNegated, conditions: splitList(list.replace(/^\(|\)$/g, "")).map(parseMember) };
}

/** A member of a group: `column.eq.value`, or a group again: `and(a.eq.1,b.eq.2)`. */
function parseMember(text: string): Condition {
  const group = text.match(/^(not\.)?(and|or)(\(.*\))$/);
  if (group !== null) return parseGroup(group[2] === "or" ? "or" : "and", group[3] ?? "", group[1] !== undefined);
  const dot = text.indexOf(".");
  return parseComparison(text.slice(0, dot), text.slice(dot + 1));
}

function parseComparison(column: string, text: string): Condition {
  const [, not, operator, value] = text.match(/^(not\.)?([a-z]+)\.([\s\S]*)$/) ?? [];
  if (operator === undefined || value === undefined) {
    return refuse(postgrestFailure(400, "PGRST100", `"failed to parse filter (${text})" (line 1, column 1)`));
  }
  return { kind: "compare", column: unquote(column), operator, value, isNegated: not !== undefined };
}

/** Splits at the commas that are neither in quotes nor in parentheses. */
export function splitList(text: string): string[] {
  const items: string[] = [];
  let [depth, isQuoted, item] = [0, false, ""];
  for (const character of text) {
    if (character === '"') isQuoted = !isQuoted;
    if (!isQuoted && character === "(") depth += 1;
    if (!isQuoted && character === ")") depth -= 1;
    const isSeparator = character === "," && depth === 0 && !isQuoted;
    if (isSeparator) items.push(item);
    item = isSeparator ? "" : item + character;
  }
  return [...items, item].filter((entry) => entry !== "");
}

export function unquote(text: string): string {
  return text.replace(/^"(.*)"$/, "$1");
}
