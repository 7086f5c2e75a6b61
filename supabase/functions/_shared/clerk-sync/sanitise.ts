import { SyncError } from "./errors.ts";

/** Any value JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Deeper than any event of Clerk's; PostgreSQL's own limit is in the thousands. */
const maxDepth = 64;

/** Keys whose values are secrets by Clerk's definition and are stored nowhere (law 10). */
const forbiddenKeys = new Set(["private_metadata"]);

/**
 * Returns a copy of a parsed JSON value that jsonb can store: NUL characters and lone surrogates are
 * taken out of every string and key (PostgreSQL refuses both), and private_metadata is left out at any depth.
 * Throws SyncError `event_malformed` when the value is nested deeper than 64 levels.
 */
export function sanitise(value: unknown, depth = 0): Json {
  if (depth > maxDepth) {
    throw new SyncError("event_malformed", `The body is nested deeper than ${maxDepth} levels.`);
  }
  if (typeof value === "string") return sanitiseText(value);
  if (Array.isArray(value)) return value.map((item) => sanitise(item, depth + 1));
  if (typeof value === "object" && value !== null) return sanitiseObject(value, depth);
  return typeof value === "number" || typeof value === "boolean" ? value : null;
}

function sanitiseObject(value: object, depth: number): Json {
  const entries: [string, Json][] = [];
  for (const [name, item] of Object.entries(value)) {
    const key = sanitiseText(name);
    if (!forbiddenKeys.has(key)) entries.push([key, sanitise(item, depth + 1)]);
  }
  return Object.fromEntries(entries);
}

/** Takes out what text in PostgreSQL cannot hold: NUL and surrogates without their pair. */
function sanitiseText(text: string): string {
  if (text.isWellFormed() && !text.includes("\0")) return text;
  // With the u flag \p{Surrogate} matches only surrogates that are not part of a pair.
  return text.replaceAll("\0", "").replace(/\p{Surrogate}/gu, "");
}
