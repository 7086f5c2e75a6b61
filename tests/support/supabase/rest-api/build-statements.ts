import pg from "pg";
import { postgrestFailure } from "../../../../local/supabase/postgrest-failure.ts";
import type { Table } from "./find-objects.ts";
import { type Condition, type Query, splitList, unquote } from "./parse-query.ts";
import { refuse } from "./refuse.ts";

/** SQL with its values: `$1` is the first. */
export type Statement = { sql: string; values: unknown[] };

/** The rows as PostgreSQL writes them in JSON, and how many there are. */
export type Answer = { body: string; rows: string };

const quote = pg.escapeIdentifier;
const operators: Readonly<Record<string, string>> = {
  eq: "=",
  neq: "<>",
  gt: ">",
  gte: ">=",
  lt: "<",
  lte: "<=",
  like: "like",
  ilike: "ilike",
};
const isValues = new Set(["null", "not_null", "true", "false", "unknown"]);

export function buildRead(table: Table, query: Query): Statement {
  const values: unknown[] = [];
  const order = query.order.map(
    ({ column, isDescending }) => `${columnOf(table, column)}${isDescending ? " desc" : ""}`,
  );
  const rows = [
    `select ${columnList(table, query)} from ${name(table)}${where(table, query, values)}`,
    order.length === 0 ? "" : `order by ${order.join(", ")}`,
    `limit ${bind(values, query.limit)} offset ${bind(values, query.offset)}`,
  ].join(" ");
  return { sql: `with answer as (${rows}) ${aggregate}`, values };
}

export function buildCount(table: Table, query: Query): Statement {
  const values: unknown[] = [];
  return {
    sql: `select count(*) as total from (select 1 from ${name(table)}${where(table, query, values)}) as c`,
    values,
  };
}

/** Without returning=representation nothing is returned, and so no right to select is needed. */
export function buildUpdate(table: Table, query: Query, body: Body, isReturned: boolean): Statement {
  const values: unknown[] = [JSON.stringify(body.rows)];
  const assignments = body.columns.map((column) => `${quote(column)} = given.${quote(column)}`).join(", ");
  const update = `update ${name(table)} set ${assignments} from ${given(table, body)}${where(table, query, values)}`;
  return { sql: `with answer as (${update} ${returning(table, query, isReturned)}) ${aggregate}`, values };
}

export function buildInsert(table: Table, query: Query, body: Body, options: InsertOptions): Statement {
  const columns = body.columns.map(quote).join(", ");
  const source = body.columns.map((column) => `given.${quote(column)}`).join(", ");
  const insert = `insert into ${name(table)} (${columns}) select ${source} from ${given(table, body)}`;
  const target = query.onConflict.length > 0 ? query.onConflict.map(unquote) : table.primaryKey;
  const update = body.columns.map((column) => `${quote(column)} = excluded.${quote(column)}`).join(", ");
  const effects = { none: "", ignore: "do nothing", merge: `do update set ${update}` };
  const conflict = options.resolution === "none" ? "" : ` on conflict (${target.map(quote).join(", ")}) `;
  const full = `${insert}${conflict}${effects[options.resolution]} ${returning(table, query, options.isReturned)}`;
  return { sql: `with answer as (${full}) ${aggregate}`, values: [JSON.stringify(body.rows)] };
}

export type InsertOptions = { resolution: "none" | "ignore" | "merge"; isReturned: boolean };

export function buildDelete(table: Table, query: Query, isReturned: boolean): Statement {
  const values: unknown[] = [];
  const remove = `delete from ${name(table)}${where(table, query, values)}`;
  return { sql: `with answer as (${remove} ${returning(table, query, isReturned)}) ${aggregate}`, values };
}

export type Body = { rows: Record<string, unknown>[]; columns: string[] };

/** The body of a change; refuses columns that the table does not have (PGRST204). */
export function parseBody(table: Table, json: unknown): Body {
  const rows = (Array.isArray(json) ? json : [json]) as Record<string, unknown>[];
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const unknownColumn = columns.find((column) => !table.columns.has(column));
  if (unknownColumn === undefined) return { rows, columns };
  const message = `Could not find the '${unknownColumn}' column of '${table.name}' in the schema cache`;
  return refuse(postgrestFailure(400, "PGRST204", message));
}

const aggregate = "select coalesce(json_agg(a), '[]')::text as body, count(*) as rows from answer as a";

function name(table: Table): string {
  return `public.${quote(table.name)}`;
}

/** Names of columns go to the database in quotes, as PostgREST sends them: it says 42703 of those it does not know. */
function columnOf(table: Table, column: string): string {
  return `${quote(table.name)}.${quote(column)}`;
}

function columnList(table: Table, { columns }: Query): string {
  if (columns === "*") return `${quote(table.name)}.*`;
  return columns.map((item) => `${columnOf(table, item.column)} as ${quote(item.name)}`).join(", ");
}

function returning(table: Table, query: Query, isReturned: boolean): string {
  return `returning ${isReturned ? columnList(table, query) : "1"}`;
}

function given(table: Table, body: Body): string {
  const columns = body.columns.map((column) => `${quote(column)} ${table.columns.get(column)}`).join(", ");
  return `json_to_recordset($1::json) as given(${columns})`;
}

function where(table: Table, { conditions }: Query, values: unknown[]): string {
  if (conditions.length === 0) return "";
  return ` where ${conditions.map((condition) => toSql(table, condition, values)).join(" and ")}`;
}

function toSql(table: Table, condition: Condition, values: unknown[]): string {
  const not = condition.isNegated ? "not " : "";
  if (condition.kind === "compare") return `${not}(${compare(columnOf(table, condition.column), condition, values)})`;
  const members = condition.conditions.map((member) => toSql(table, member, values));
  return `${not}(${members.join(` ${condition.kind} `)})`;
}

function compare(column: string, { operator, value }: { operator: string; value: string }, values: unknown[]): string {
  if (operator === "is" && isValues.has(value)) return `${column} is ${value.replace("_", " ")}`;
  if (operator === "in") {
    return `${column} = any(${bind(values, splitList(value.replace(/^\(|\)$/g, "")).map(unquote))})`;
  }
  const sql = operators[operator];
  if (sql === undefined) return refuse(postgrestFailure(400, "PGRST100", `unknown operator ${operator}`));
  return `${column} ${sql} ${bind(values, operator.endsWith("like") ? value.replaceAll("*", "%") : unquote(value))}`;
}

function bind(values: unknown[], value: unknown): string {
  return `$${values.push(value)}`;
}
