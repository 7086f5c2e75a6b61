/** What a call of Drizzle's gives a column: `varchar("email", { length: 64 })`. */
export type ColumnOptions = ReadonlyMap<string, string | number | boolean>;

type Write = (options: ColumnOptions) => string;

const plain =
  (type: string): Write =>
  () =>
    type;

function withNumber(type: string, option: string): Write {
  return (options) => {
    const number = options.get(option);
    return typeof number === "number" ? `${type}(${number})` : type;
  };
}

function withZone(type: string): Write {
  return (options) => {
    const precision = options.get("precision");
    const zone = options.get("withTimezone") === true ? " with time zone" : "";
    return `${type}${typeof precision === "number" ? `(${precision})` : ""}${zone}`;
  };
}

const writeNumeric: Write = (options) => {
  const numbers = [options.get("precision"), options.get("scale")].filter((each) => typeof each === "number");
  return typeof options.get("precision") === "number" ? `numeric(${numbers.join(", ")})` : "numeric";
};

const writeInterval: Write = (options) => {
  const [fields, precision] = [options.get("fields"), options.get("precision")];
  return `interval${typeof fields === "string" ? ` ${fields}` : ""}${typeof precision === "number" ? `(${precision})` : ""}`;
};

/** Drizzle's functions for columns, and the type of PostgreSQL that each makes (getSQLType). */
export const drizzleTypes: ReadonlyMap<string, Write> = new Map([
  ...`
  smallint integer bigint serial smallserial bigserial boolean text real json jsonb date uuid inet cidr macaddr macaddr8
  point line bytea tsvector
  `
    .trim()
    .split(/\s+/)
    .map((name): [string, Write] => [name, plain(name)]),
  ["doublePrecision", plain("double precision")],
  ["geometry", plain("geometry(point)")],
  ["varchar", withNumber("varchar", "length")],
  ["char", withNumber("char", "length")],
  ["numeric", writeNumeric],
  ["decimal", writeNumeric],
  ["timestamp", withZone("timestamp")],
  ["time", withZone("time")],
  ["interval", writeInterval],
  ["vector", withNumber("vector", "dimensions")],
  ["halfvec", withNumber("halfvec", "dimensions")],
  ["sparsevec", withNumber("sparsevec", "dimensions")],
  ["bit", withNumber("bit", "dimensions")],
]);
