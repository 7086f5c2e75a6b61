/** A value in a Prisma schema: of an argument, or of a setting. */
export type PrismaValue =
  | { kind: "text"; text: string }
  | { kind: "number"; text: string }
  | { kind: "name"; name: string }
  | { kind: "call"; name: string; arguments: readonly PrismaArgument[] }
  | { kind: "list"; items: readonly PrismaValue[] }
  | { kind: "object"; entries: readonly PrismaArgument[] };

export type PrismaArgument = { name: string | null; value: PrismaValue };

/** `@map("email")`, `@db.VarChar(64)`; of a block: `@@map("users")`. The name is without the @. */
export type PrismaAttribute = { name: string; arguments: readonly PrismaArgument[] };

/** A field of a model, or a value of an enum, which has no type. */
export type PrismaField = {
  name: string;
  type: string;
  /** `Unsupported("…")`: the type as PostgreSQL has it. */
  sqlType: string | null;
  isList: boolean;
  isOptional: boolean;
  attributes: readonly PrismaAttribute[];
  line: number;
};

export type PrismaBlock = {
  /** model, enum, datasource, view and so on. */
  kind: string;
  name: string;
  fields: readonly PrismaField[];
  attributes: readonly PrismaAttribute[];
  settings: ReadonlyMap<string, PrismaValue>;
  line: number;
};

type Members = { fields: PrismaField[]; attributes: PrismaAttribute[]; settings: Map<string, PrismaValue> };

/** A line that is not as Prisma writes it. */
export type PrismaProblem = { line: number; text: string /** The block that it stands in. */; block: string | null };

type Token = { kind: "word" | "text" | "number" | "sign" | "line"; text: string; line: number };

const token =
  /[ \t\r\f]+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|(\n)|"((?:[^"\\]|\\.)*)"|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_][\w-]*)|(@@|[@{}()[\],:.?!=])|([\s\S])/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  token.lastIndex = 0;
  for (let found = token.exec(text); found !== null && found[0] !== ""; found = token.exec(text)) {
    const [whole, end, quoted, number, word, sign, odd] = found;
    if (end !== undefined) tokens.push({ kind: "line", text: "\n", line });
    if (quoted !== undefined) tokens.push({ kind: "text", text: withoutEscapes(quoted), line });
    if (number !== undefined) tokens.push({ kind: "number", text: number, line });
    if (word !== undefined) tokens.push({ kind: "word", text: word, line });
    if (sign !== undefined) tokens.push({ kind: "sign", text: sign, line });
    if (odd !== undefined) tokens.push({ kind: "sign", text: odd, line });
    line += whole.split("\n").length - 1;
  }
  return tokens;
}

/** A text of Prisma has the escapes of JSON. */
function withoutEscapes(text: string): string {
  return text.replace(/\\(u[\da-fA-F]{4}|.)/g, (_, code: string) => {
    if (code.length === 5) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" }[code] ?? code;
  });
}

/**
 * Reads a Prisma schema as text. It judges nothing: a line that it does not understand is named in `problems`, and the
 * others are read.
 */
export function parsePrisma(text: string): { blocks: PrismaBlock[]; problems: PrismaProblem[] } {
  const tokens = tokenize(text);
  const blocks: PrismaBlock[] = [];
  const problems: PrismaProblem[] = [];
  let at = 0;

  const peek = (): Token | undefined => tokens[at];
  const isSign = (text: string) => peek()?.kind === "sign" && peek()?.text === text;

  /** The next token if it is this sign. */
  function takeSign(text: string): boolean {
    if (!isSign(text)) return false;
    at += 1;
    return true;
  }

  function take(kind: Token["kind"]): string | null {
    const next = peek();
    if (next?.kind !== kind) return null;
    at += 1;
    return next.text;
  }

  function skipLines(): void {
    while (peek()?.kind === "line") at += 1;
  }

  /** What stands on this line is not understood. */
  function skipRest(block: string | null): void {
    const line = peek()?.line ?? 0;
    const from = at;
    while (peek() !== undefined && peek()?.kind !== "line") at += 1;
    const rest = tokens.slice(from, at).map((each) => each.text);
    if (rest.length > 0) problems.push({ line, text: rest.join(" "), block });
  }

  function takePath(): string | null {
    const first = take("word");
    if (first === null) return null;
    const parts = [first];
    while (takeSign(".")) parts.push(take("word") ?? "");
    return parts.join(".");
  }

  function takeList<Item>(end: string, takeItem: () => Item | null): Item[] | null {
    const items: Item[] = [];
    skipLines();
    while (!takeSign(end)) {
      const item = takeItem();
      if (item === null) return null;
      items.push(item);
      skipLines();
      if (!takeSign(",") && !isSign(end)) return null;
      skipLines();
    }
    return items;
  }

  function takeValue(): PrismaValue | null {
    const text = take("text");
    if (text !== null) return { kind: "text", text };
    const number = take("number");
    if (number !== null) return { kind: "number", text: number };
    if (takeSign("[")) {
      const items = takeList("]", takeValue);
      return items && { kind: "list", items };
    }
    if (takeSign("{")) {
      const entries = takeList("}", takeArgument);
      return entries && { kind: "object", entries };
    }
    const name = takePath();
    if (name === null) return null;
    if (!takeSign("(")) return { kind: "name", name };
    const given = takeList(")", takeArgument);
    return given && { kind: "call", name, arguments: given };
  }

  function takeArgument(): PrismaArgument | null {
    const next = tokens[at + 1];
    const isNamed = peek()?.kind === "word" && next?.kind === "sign" && next.text === ":";
    const name = isNamed ? take("word") : null;
    if (isNamed) at += 1;
    const value = takeValue();
    return value && { name, value };
  }

  function takeAttributes(): PrismaAttribute[] {
    const attributes: PrismaAttribute[] = [];
    while (takeSign("@")) {
      const attribute = takeAttribute();
      if (attribute === null) break;
      attributes.push(attribute);
    }
    return attributes;
  }

  function takeAttribute(): PrismaAttribute | null {
    const name = takePath();
    if (name === null) return null;
    const given = takeSign("(") ? takeList(")", takeArgument) : [];
    return given && { name, arguments: given };
  }

  function takeField(): PrismaField | null {
    const line = peek()?.line ?? 0;
    const name = take("word");
    if (name === null) return null;
    const type = take("word") ?? "";
    let sqlType: string | null = null;
    if (type === "Unsupported" && takeSign("(")) {
      sqlType = take("text");
      takeSign(")");
    }
    const isList = takeSign("[") && takeSign("]");
    const isOptional = takeSign("?");
    takeSign("!");
    return { name, type, sqlType, isList, isOptional, attributes: takeAttributes(), line };
  }

  /** A line of a block: an attribute of it, a setting, or a field. */
  function takeMember({ fields, attributes, settings }: Members): void {
    const next = tokens[at + 1];
    if (takeSign("@@")) {
      const attribute = takeAttribute();
      if (attribute !== null) attributes.push(attribute);
    } else if (next?.kind === "sign" && next.text === "=") {
      const key = take("word") ?? "";
      at += 1;
      const value = takeValue();
      if (value !== null) settings.set(key, value);
    } else {
      const field = takeField();
      if (field !== null) fields.push(field);
    }
  }

  function takeBlock(): PrismaBlock | null {
    const line = peek()?.line ?? 0;
    const kind = take("word");
    const name = take("word");
    if (kind === null || name === null || !takeSign("{")) return null;
    const fields: PrismaField[] = [];
    const attributes: PrismaAttribute[] = [];
    const settings = new Map<string, PrismaValue>();
    for (skipLines(); peek() !== undefined && !takeSign("}"); skipLines()) {
      takeMember({ fields, attributes, settings });
      if (!isSign("}")) skipRest(name);
    }
    return { kind, name, fields, attributes, settings, line };
  }

  for (skipLines(); peek() !== undefined; skipLines()) {
    const block = takeBlock();
    if (block !== null) blocks.push(block);
    else skipRest(null);
  }
  return { blocks, problems };
}
