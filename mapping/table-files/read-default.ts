import type { A_Const, A_Expr, FuncCall, Node, SQLValueFunction, TypeCast } from "libpg-query";
import { quoteIdentifier } from "../quote.ts";
import { type Catalog, type DataType, type Expression, findByName, type WrittenName } from "./catalog.ts";
import { formatType, isSameBase, resolveType } from "./data-types.ts";
import { formatJsonb } from "./format-jsonb.ts";
import { constantOf, qualifiedName, texts } from "./nodes.ts";

/** What an expression is before it is given to a column. `type` null: not known, which matters for texts beside it only. */
type Value =
  | { kind: "text"; text: string }
  | { kind: "null" }
  | ({ kind: "value"; type: DataType | null } & Expression);

/**
 * A default as the catalog of PostgreSQL writes it (pg_get_expr, with no schema on the search path): `'member'::text`,
 * `CURRENT_TIMESTAMP`, `public.my_id()`. Null: there is none, as with `default null`.
 */
export function readDefault(catalog: Catalog, node: Node, column: DataType): Expression | null {
  return toColumn(readValue(catalog, node), column);
}

/** `nextval` of the sequence of a serial, under the name that the sequence has then. */
export function defaultOfSequence(sequence: { schema: string; name: string }): Expression {
  const name = () => `${quoteIdentifier(sequence.schema)}.${quoteIdentifier(sequence.name)}`;
  return { print: () => `nextval(${quoteText(name())}::regclass)`, isExact: true };
}

const type = (base: string): DataType => ({ base, modifiers: [], isArray: false });
const text = type("text");

function exact(print: () => string, of: DataType | null): Value {
  return { kind: "value", type: of, print, isExact: true };
}

function toColumn(value: Value, column: DataType): Expression | null {
  const below = withoutDomains(column);
  // a domain checks null, and a length cuts it, as any other value: then PostgreSQL keeps the default
  const isKept = below !== column || column.modifiers.length > 0;
  if (value.kind === "null" && isKept) {
    return { print: () => `NULL::${formatType(below, { plain: true })}`, isExact: true };
  }
  if (value.kind === "null") return null;
  return value.kind === "text" ? literal(value.text, { ...below, modifiers: [] }) : value;
}

/** A text becomes a constant of the type below a domain. */
function withoutDomains(column: DataType): DataType {
  const { base, isArray } = column;
  return typeof base === "object" && base.of !== null && !isArray ? withoutDomains(base.of) : column;
}

function readValue(catalog: Catalog, node: Node): Value {
  if ("A_Const" in node) return readConstant(node.A_Const);
  if ("TypeCast" in node) return readCast(catalog, node.TypeCast);
  if ("FuncCall" in node) return readCall(catalog, node.FuncCall);
  if ("SQLValueFunction" in node) return readKeyword(node.SQLValueFunction);
  if ("A_Expr" in node) return readOperator(catalog, node.A_Expr);
  if ("CoalesceExpr" in node) return readCoalesce(catalog, node.CoalesceExpr.args ?? []);
  if ("A_ArrayExpr" in node) return readArray(catalog, node.A_ArrayExpr.elements ?? [], null);
  return inexact();
}

/** That there is a default is known, and how it is written is not. */
function inexact(): Value {
  return { kind: "value", type: null, print: () => "?", isExact: false };
}

const int4 = type("int4");

function readConstant(constant: A_Const): Value {
  if (constant.isnull) return { kind: "null" };
  if (constant.sval !== undefined) return { kind: "text", text: constant.sval.sval ?? "" };
  if (constant.boolval !== undefined) return exact(() => String(constant.boolval?.boolval ?? false), type("bool"));
  if (constant.ival !== undefined) return readNumber(String(constant.ival.ival ?? 0), int4);
  if (constant.fval === undefined) return inexact();
  const number = constant.fval.fval ?? "0";
  if (!/^-?\d+$/.test(number)) return readNumber(number, type("numeric"));
  const isLong = BigInt(number) >= -(2n ** 63n) && BigInt(number) < 2n ** 63n;
  return readNumber(number, type(isLong ? "int8" : "numeric"));
}

function readNumber(number: string, of: DataType): Value {
  return { kind: "value", type: of, ...literal(number, of) };
}

function readCast(catalog: Catalog, { arg, typeName }: TypeCast): Value {
  if (arg === undefined || typeName === undefined) return inexact();
  const { type: target, isKnown } = resolveType(catalog, typeName);
  if (!isKnown) return inexact();
  if ("A_ArrayExpr" in arg && target.isArray) return readArray(catalog, arg.A_ArrayExpr.elements ?? [], target);
  const inner = readValue(catalog, arg);
  if (inner.kind === "null") return inner;
  if (inner.kind === "text") return { kind: "value", type: target, ...literal(inner.text, target) };
  if (!inner.isExact) return inner;
  if (inner.type !== null && isSameBase(inner.type, target) && target.modifiers.length === 0) return inner;
  return exact(() => `(${inner.print()})::${formatType(target)}`, target);
}

/** An array of constants, each of which has the type of the array's elements. */
function readArray(catalog: Catalog, elements: readonly Node[], target: DataType | null): Value {
  if (target === null && elements.length === 0) return inexact();
  const element = target === null ? text : { ...target, isArray: false };
  const values = elements.map((node) => toColumn(readValue(catalog, node), element));
  const parts = values.flatMap((value) => (value?.isExact ? value : []));
  if (
    parts.length < values.length ||
    (target === null && elements.some((node) => constantOf(node)?.sval === undefined))
  )
    return inexact();
  const list = () => `ARRAY[${parts.map(({ print }) => print()).join(", ")}]`;
  if (target !== null && elements.length === 0) return exact(() => `${list()}::${formatType(target)}`, target);
  return exact(list, { ...element, isArray: true });
}

/** Functions of PostgreSQL that stand in defaults: the types of arguments that may be plain texts, and what they give. */
const ofPostgres: Readonly<Record<string, { takes: readonly string[]; gives: string | null }>> = {
  now: { takes: [], gives: "timestamptz" },
  clock_timestamp: { takes: [], gives: "timestamptz" },
  statement_timestamp: { takes: [], gives: "timestamptz" },
  transaction_timestamp: { takes: [], gives: "timestamptz" },
  timezone: { takes: ["text", "timestamptz"], gives: "timestamp" },
  gen_random_uuid: { takes: [], gives: "uuid" },
  uuidv4: { takes: [], gives: "uuid" },
  uuidv7: { takes: [], gives: "uuid" },
  random: { takes: [], gives: "float8" },
  nextval: { takes: ["regclass"], gives: "int8" },
  current_setting: { takes: ["text", "bool"], gives: "text" },
  lower: { takes: ["text"], gives: "text" },
  upper: { takes: ["text"], gives: "text" },
  md5: { takes: ["text"], gives: "text" },
};

const ofExtensions: Readonly<Record<string, string>> = {
  uuid_generate_v1: "uuid-ossp",
  uuid_generate_v4: "uuid-ossp",
  nanoid: "nanoid",
};

function readCall(catalog: Catalog, { funcname, args = [], funcformat }: FuncCall): Value {
  const written = qualifiedName(funcname);
  const isOfPostgres = written.schema === null || written.schema === "pg_catalog";
  const known = isOfPostgres ? ofPostgres[written.name] : undefined;
  if (known === undefined) return args.length > 0 ? inexact() : readOwnCall(catalog, written);
  if (args.length > known.takes.length) return inexact();
  const values = args.map((node, index) => toArgument(catalog, readValue(catalog, node), known.takes[index] ?? "text"));
  if (values.some((value) => !value.isExact)) return inexact();
  const gives = known.gives === null ? null : type(known.gives);
  // written as `now() at time zone 'utc'`, and so it stays
  if (written.name === "timezone" && funcformat === "COERCE_SQL_SYNTAX") {
    const [zone, time] = values;
    return exact(() => `(${time?.print()} AT TIME ZONE ${zone?.print()})`, gives);
  }
  return exact(() => `${written.name}(${values.map(({ print }) => print()).join(", ")})`, gives);
}

function toArgument(catalog: Catalog, value: Value, wanted: string): Expression {
  if (value.kind === "null") return { print: () => `NULL::${formatType(type(wanted))}`, isExact: true };
  if (value.kind === "value") return value;
  if (wanted === "regclass") return literalOfRelation(catalog, value.text);
  return literal(value.text, type(wanted));
}

/** A sequence in the text of nextval, looked up as PostgreSQL does when the default is made. */
function literalOfRelation(catalog: Catalog, written: string): Expression {
  const parts = [...written.matchAll(/"((?:[^"]|"")+)"|([^".]+)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain?.toLowerCase() ?? "",
  );
  const name = { schema: parts.at(-2) ?? null, name: parts.at(-1) ?? "" };
  const found = findByName(catalog.sequences, name, catalog.searchPath);
  const sequence = found ?? { schema: name.schema ?? catalog.searchPath[0] ?? "public", name: name.name };
  const print = () => `${quoteText(`${quoteIdentifier(sequence.schema)}.${quoteIdentifier(sequence.name)}`)}::regclass`;
  return { print, isExact: true };
}

/** A function without arguments that is not of PostgreSQL: its schema must be known. */
function readOwnCall(catalog: Catalog, written: WrittenName): Value {
  const extension = ofExtensions[written.name];
  const ofExtension = extension === undefined ? undefined : catalog.extensions.get(extension);
  const schema = written.schema ?? findByName(catalog.functions, written, catalog.searchPath)?.schema ?? ofExtension;
  if (schema === undefined) return inexact();
  return exact(() => `${quoteIdentifier(schema)}.${quoteIdentifier(written.name)}()`, null);
}

function readKeyword({ op, typmod = -1 }: SQLValueFunction): Value {
  const [, word = "", precise] = /^SVFOP_(.*?)(_N)?$/.exec(op ?? "") ?? [];
  const name = word === "USER" ? "CURRENT_USER" : word;
  return exact(() => (precise === undefined ? name : `${name}(${typmod})`), null);
}

/** `auth.jwt() ->> 'sub'`, and texts that are joined. */
function readOperator(catalog: Catalog, { kind, name, lexpr, rexpr }: A_Expr): Value {
  const [operator = ""] = texts(name);
  if (kind !== "AEXPR_OP" || lexpr === undefined || rexpr === undefined) return inexact();
  if (!["->", "->>", "||"].includes(operator)) return inexact();
  const [left, right] = [lexpr, rexpr].map((node) => toArgument(catalog, readValue(catalog, node), "text"));
  if (!left?.isExact || !right?.isExact) return inexact();
  return exact(() => `(${left.print()} ${operator} ${right.print()})`, operator === "->" ? null : text);
}

function readCoalesce(catalog: Catalog, args: readonly Node[]): Value {
  const values = args.map((node) => readValue(catalog, node));
  const common =
    values.flatMap((value) => (value.kind === "value" && value.type !== null ? value.type : []))[0] ?? text;
  const parts = values.map((value) => toColumn(value, common));
  if (parts.some((part) => part === null || !part.isExact)) return inexact();
  return exact(() => `COALESCE(${parts.map((part) => part?.print()).join(", ")})`, common);
}

/** A constant of this type as ruleutils of PostgreSQL writes it. */
function literal(written: string, of: DataType): Expression {
  const { value: constant, isExact } = readConstantOf(written, of);
  const spell = spellLabels(constant, of);
  const print = () => {
    const value = spell();
    if (of.base === "bool" && !of.isArray) return value;
    const isPlain = !of.isArray && isPlainNumber(value, of);
    return isPlain ? value : `${quoteText(value)}::${formatType(of)}`;
  };
  return { print, isExact };
}

/** The labels of an enum as they are called when the text is printed. */
function spellLabels(value: string, { base, isArray }: DataType): () => string {
  if (typeof base === "string" || base.kind !== "enum") return () => value;
  const find = (word: string) => base.labels.find(({ text }) => text === word) ?? { text: word };
  if (!isArray) {
    const label = find(value);
    return () => label.text;
  }
  const labels = value.slice(1, -1).split(",").map(find);
  return () => `{${labels.map((label) => label.text).join(",")}}`;
}

function isPlainNumber(value: string, { base, modifiers }: DataType): boolean {
  if (base === "int4") return !value.startsWith("-");
  return base === "numeric" && modifiers.length === 0 && /^\d/.test(value) && /[.eE]/.test(value);
}

/** Types whose values are kept as they are written. */
const verbatim = ["text", "varchar", "bpchar", "name", "json", "inet", "cidr", "bytea", "xml"];

/** A text as its type writes it out again. */
function readConstantOf(written: string, { base, isArray }: DataType): { value: string; isExact: boolean } {
  const asIt = { value: written, isExact: true };
  const unsure = { value: written, isExact: false };
  if (isArray) return readArrayText(written) ?? unsure;
  if (typeof base !== "string") return base.kind === "enum" || base.name === "citext" ? asIt : unsure;
  if (verbatim.includes(base)) return asIt;
  if (base === "bool") return readBoolean(written);
  if (["int2", "int4", "int8"].includes(base)) return readInteger(written);
  if (base === "numeric" || base === "float8") return /^-?\d+(\.\d+)?$/.test(written) ? asIt : unsure;
  if (base === "uuid") return { value: written.toLowerCase(), isExact: /^[0-9a-f-]{36}$/i.test(written) };
  if (base === "jsonb") return readJson(written);
  return unsure;
}

/** `{a,"b"}` of plain words, which need no quotes. */
function readArrayText(written: string): { value: string; isExact: boolean } | null {
  const isPlain = /^\{(?:("?)[\w-]+\1(?:, *("?)[\w-]+\2)*)?\}$/.test(written) && !/null/i.test(written);
  return isPlain ? { value: written.replace(/[" ]/g, ""), isExact: true } : null;
}

function readBoolean(written: string): { value: string; isExact: boolean } {
  const word = written.trim().toLowerCase();
  if (["t", "true", "y", "yes", "on", "1"].includes(word)) return { value: "true", isExact: true };
  return { value: "false", isExact: ["f", "false", "n", "no", "off", "0"].includes(word) };
}

function readInteger(written: string): { value: string; isExact: boolean } {
  const word = written.trim();
  return /^-?\d+$/.test(word) ? { value: String(BigInt(word)), isExact: true } : { value: word, isExact: false };
}

function readJson(written: string): { value: string; isExact: boolean } {
  const value = formatJsonb(written);
  return value === null ? { value: written, isExact: false } : { value, isExact: true };
}

/** As ruleutils writes a text: never with E, whatever is in it. */
function quoteText(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
