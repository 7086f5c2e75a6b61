import { validationFailed } from "./auth-error.ts";

const secondsPerUnit = new Map([
  ["ns", 1e-9],
  ["us", 1e-6],
  ["µs", 1e-6],
  ["μs", 1e-6],
  ["ms", 1e-3],
  ["s", 1],
  ["m", 60],
  ["h", 3600],
]);

const amount = "(?:\\d+(?:\\.\\d*)?|\\.\\d+)";
const partsFormat = new RegExp(`^(?:${amount}[^\\d.]+)*${amount}?$`);

/** Go counts nanoseconds in 64 bits: about 292 years. */
const maxSeconds = 2 ** 63 / 1e9;

/**
 * Seconds of a ban: a Go duration such as "24h" or "1h30m", or 0 for "none", which lifts it. Undefined when nothing
 * was sent. Throws 400. Source: GoTrue admin.go and Go's time.ParseDuration.
 */
export function parseBanDuration(duration: string): number | undefined {
  if (duration === "") return undefined;
  if (duration === "none") return 0;
  const sign = duration.startsWith("-") ? -1 : 1;
  const unsigned = duration.replace(/^[-+]/, "");
  if (unsigned === "0") return 0;
  return sign * sumOfParts(duration, unsigned);
}

function sumOfParts(duration: string, unsigned: string): number {
  const quoted = JSON.stringify(duration);
  if (unsigned === "" || !partsFormat.test(unsigned)) throw invalid(`invalid duration ${quoted}`);
  let total = 0;
  for (const [, amount, unit = ""] of unsigned.matchAll(/([\d.]+)([^\d.]*)/g)) {
    if (unit === "") throw invalid(`missing unit in duration ${quoted}`);
    const seconds = secondsPerUnit.get(unit);
    if (seconds === undefined) throw invalid(`unknown unit ${JSON.stringify(unit)} in duration ${quoted}`);
    total += Number(amount) * seconds;
  }
  if (total >= maxSeconds) throw invalid(`invalid duration ${quoted}`);
  return total;
}

function invalid(reason: string): Error {
  return validationFailed(`invalid format for ban duration: time: ${reason}`);
}
