import { loadModule, type Node, parsePlPgSQLSync, parseSync, type RawStmt, scanSync } from "libpg-query";
import { z } from "zod";
import { type Catalog, defaultSearchPath, type Place, type Reason } from "./catalog.ts";
import { takeStatement } from "./statements.ts";

/** SQL, and where each of its lines stands in a file of the project. */
export type SqlText = { text: string; placeOfLine: (line: number) => Place };

/** The text of a file of SQL. */
export function sqlOfFile(file: string, text: string): SqlText {
  return { text: blankOut(text), placeOfLine: (line) => ({ file, line }) };
}

/**
 * Takes texts of SQL into the catalog, in this order, as PostgreSQL would run them. Nothing fails: what cannot be read
 * is noted in `catalog.unread`.
 */
export async function readSql(catalog: Catalog, texts: readonly SqlText[]): Promise<void> {
  await loadModule();
  for (const text of texts) {
    catalog.searchPath = defaultSearchPath;
    for (const statement of splitStatements(text)) take(catalog, statement);
  }
}

type Statement = { text: string; place: Place; placeOf: (location: number | undefined) => Place; node: Node | null };

/** The statements of a text. One that PostgreSQL's grammar does not know has no node, and does not hide the others. */
function splitStatements({ text, placeOfLine }: SqlText): Statement[] {
  const bytes = Buffer.from(text);
  const lineAt = lineFinder(bytes);
  const describe = (raw: RawStmt, start: number, end: number): Statement => {
    const part = bytes.subarray(start, end).toString("utf8");
    const before = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/.exec(part)?.[0] ?? "";
    const begin = start + Buffer.byteLength(before);
    const place = placeOfLine(lineAt(begin));
    return {
      text: part.slice(before.length),
      place,
      placeOf: (location) => (location === undefined ? place : placeOfLine(lineAt(location))),
      node: raw.stmt ?? null,
    };
  };
  const parsed = parse(text);
  if (parsed !== null) {
    return parsed.map((raw) => {
      const start = raw.stmt_location ?? 0;
      return describe(raw, start, raw.stmt_len ? start + raw.stmt_len : bytes.length);
    });
  }
  return findEnds(text, bytes.length).flatMap((end, index, ends) => {
    const start = ends[index - 1] ?? 0;
    const part = bytes.subarray(start, end);
    if (/^[\s;]*$/.test(part.toString("utf8"))) return [];
    // blanks in place of what stands before, so that locations are those of the whole text
    const alone = parse(Buffer.concat([Buffer.from(bytes.subarray(0, start).map(blank)), part]).toString("utf8"));
    const [raw = {}] = alone ?? [{}];
    return [describe(raw, start, end)];
  });
}

const newLine = 10;

function blank(byte: number): number {
  return byte === newLine ? newLine : 32;
}

function lineFinder(bytes: Buffer): (offset: number) => number {
  const ends: number[] = [];
  for (let at = bytes.indexOf(newLine); at !== -1; at = bytes.indexOf(newLine, at + 1)) ends.push(at);
  return (offset) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  };
}

/** Null: some of it is no SQL. */
function parse(text: string): RawStmt[] | null {
  try {
    return parseSync(text).stmts ?? [];
  } catch {
    return null; // the caller tries its statements one by one, and notes what is left
  }
}

/** The bytes after which a statement ends: semicolons outside of parentheses and of `begin atomic … end`. */
function findEnds(text: string, length: number): number[] {
  const ends: number[] = [];
  let depth = 0;
  let blocks = 0;
  let before = "";
  for (const { text: token, end } of scan(text)) {
    const word = token.toLowerCase();
    if (token === "(") depth += 1;
    if (token === ")") depth -= 1;
    if (word === "atomic" && before === "begin") blocks += 1;
    if (blocks > 0 && word === "case") blocks += 1;
    if (blocks > 0 && word === "end") blocks -= 1;
    if (token === ";" && depth <= 0 && blocks === 0) {
      ends.push(end);
      depth = 0;
    }
    before = word;
  }
  return [...ends, length];
}

function scan(text: string): { text: string; end: number }[] {
  try {
    return scanSync(text).tokens;
  } catch {
    return []; // a quote that does not end: the whole text is one statement that is no SQL
  }
}

const noStatement = "it is no statement that PostgreSQL knows";

function take(catalog: Catalog, { text, place, placeOf, node }: Statement): void {
  if (node === null) note(catalog, place, text, [noStatement]);
  else if ("DoStmt" in node) takeBlock(catalog, text, place);
  else note(catalog, place, text, takeStatement(catalog, node, placeOf));
}

function note({ unread }: Catalog, place: Place, text: string, reasons: readonly Reason[]): void {
  const statement = text.replace(/\s+/g, " ").slice(0, 80).trim();
  for (const each of reasons) {
    const found = typeof each === "string" ? { reason: each, place } : each;
    unread.push({ ...found, statement, text });
  }
}

const expression = z.object({ PLpgSQL_expr: z.object({ query: z.string() }) });

/** Of the tree of PL/pgSQL, what stands in blocks that make tables unless they are there. */
const stepSchema: z.ZodType<Step> = z.lazy(() =>
  z.union([
    z.object({ PLpgSQL_stmt_execsql: z.object({ lineno: z.number().default(1), sqlstmt: expression }) }),
    z.object({ PLpgSQL_stmt_block: z.object({ body: z.array(z.unknown()).default([]) }) }),
    z.object({
      PLpgSQL_stmt_if: z.object({
        cond: expression,
        then_body: z.array(z.unknown()).default([]),
        elsif_list: z.unknown().optional(),
        else_body: z.unknown().optional(),
      }),
    }),
    z.object({ PLpgSQL_stmt_return: z.unknown() }),
    z.object({ PLpgSQL_stmt_raise: z.unknown() }),
  ]),
);

type Step =
  | { PLpgSQL_stmt_execsql: { lineno: number; sqlstmt: z.infer<typeof expression> } }
  | { PLpgSQL_stmt_block: { body: unknown[] } }
  | {
      PLpgSQL_stmt_if: {
        cond: z.infer<typeof expression>;
        then_body: unknown[];
        elsif_list?: unknown;
        else_body?: unknown;
      };
    }
  | { PLpgSQL_stmt_return: unknown }
  | { PLpgSQL_stmt_raise: unknown };

const blockSchema = z.object({
  plpgsql_funcs: z.tuple([
    z.object({ PLpgSQL_function: z.object({ action: z.object({ PLpgSQL_stmt_block: z.unknown() }) }) }),
  ]),
});

/**
 * A do block is read where it only makes what is not there yet: plain statements, under `if not exists (…)` or with an
 * exception for what is there. Of any other, only whether it may concern a table is known.
 */
function takeBlock(catalog: Catalog, text: string, place: Place): void {
  const statements = readBlock(text);
  if (statements === null) {
    if (/\b(?:alter|create|drop)\b/i.test(text))
      note(catalog, place, text, ["a do block is a program, which is not run"]);
    return;
  }
  for (const { sql, line } of statements) {
    const at = { file: place.file, line: place.line + line - 1 };
    const [raw] = parse(sql) ?? [];
    const reasons = raw?.stmt === undefined ? [noStatement] : takeStatement(catalog, raw.stmt, () => at);
    note(
      catalog,
      at,
      sql,
      reasons.filter((reason) => typeof reason !== "string" || !reason.endsWith("is there already")),
    );
  }
}

type InBlock = { sql: string; line: number };

function readBlock(text: string): InBlock[] | null {
  try {
    const {
      plpgsql_funcs: [block],
    } = blockSchema.parse(parsePlPgSQLSync(text));
    return readSteps([block.PLpgSQL_function.action]);
  } catch {
    return null; // another language, or a block that the parser does not take
  }
}

function readSteps(steps: readonly unknown[]): InBlock[] | null {
  const read = steps.map((given) => {
    const parsed = stepSchema.safeParse(given);
    return parsed.success ? readStep(parsed.data) : null;
  });
  return read.includes(null) ? null : read.flatMap((each) => each ?? []);
}

function readStep(step: Step): InBlock[] | null {
  if ("PLpgSQL_stmt_execsql" in step) {
    const { lineno, sqlstmt } = step.PLpgSQL_stmt_execsql;
    return [{ sql: sqlstmt.PLpgSQL_expr.query, line: lineno }];
  }
  if ("PLpgSQL_stmt_block" in step) return readSteps(step.PLpgSQL_stmt_block.body);
  if (!("PLpgSQL_stmt_if" in step)) return [];
  const { cond, then_body: body, elsif_list: elsifs, else_body: otherwise } = step.PLpgSQL_stmt_if;
  const isUnlessThere = /^\s*not\s+exists\b/i.test(cond.PLpgSQL_expr.query);
  return isUnlessThere && elsifs === undefined && otherwise === undefined ? readSteps(body) : null;
}

/**
 * Lines that are no SQL become blank: commands of psql and the rows of `copy` in a dump, and the second half of files
 * that hold the way back (dbmate, goose).
 */
function blankOut(text: string): string {
  const lines: string[] = [];
  let isCopy = false;
  let isDown = false;
  for (const line of text.replace(/^\uFEFF/, "").split("\n")) {
    const way = /^--\s*(?:migrate:|\+goose\s+)(up|down)\b/i.exec(line)?.[1]?.toLowerCase();
    if (way !== undefined) isDown = way === "down";
    lines.push(isCopy || isDown || /^\\[a-z!.]/i.test(line) ? "" : line);
    if (/^copy\b.*\bfrom\s+stdin\b.*;\s*$/i.test(line)) isCopy = true;
    if (/^\\\.\s*$/.test(line)) isCopy = false;
  }
  return lines.join("\n");
}
