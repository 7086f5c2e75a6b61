/** A text of JSON as jsonb writes it out: keys by length, then by bytes. Null: it is none, or has numbers that JavaScript changes. */
export function formatJsonb(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text);
    const hasOddNumbers = /\d[.eE]|\d{16}/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, ""));
    return hasOddNumbers ? null : format(value);
  } catch {
    return null; // PostgreSQL refuses such a default
  }
}

function format(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(format).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, inner]): [Buffer, string] => [
    Buffer.from(key),
    `${JSON.stringify(key)}: ${format(inner)}`,
  ]);
  entries.sort(([one], [other]) => one.length - other.length || Buffer.compare(one, other));
  return `{${entries.map(([, line]) => line).join(", ")}}`;
}
