import { readSince } from "../../since.ts";

/** What an <input type="datetime-local"> shows of a time of the address, in the reader's zone; empty when it is none. */
export function toLocal(text: string | undefined, now: number): string {
  const at = readSince(text, now);
  if (at === null) return "";
  const date = new Date(at);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** What stands in the address for it: with its zone, so that it means the same to whoever gets the address. */
export function fromLocal(local: string): string | null {
  const time = local === "" ? Number.NaN : Date.parse(local);
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}
