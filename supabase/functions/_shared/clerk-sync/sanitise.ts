import { SyncError } from "./errors.ts";

/** Any value JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Deeper than any event of Clerk's; PostgreSQL's own limit is in the thousands. */
const maxDepth = 64;

/** Keys whose values are secrets by Clerk's definition and are stored nowhere (law 10). */
const forbiddenKeys = new Set(["private_metadata"]);

/**
 * Returns a copy of a parsed JSON value that jsonb can store: NUL characters and lone surrogates are
 * taken out of every string (PostgreSQL refuses both), a key that has one is left out with its value, and so is
 * private_metadata, at any depth. What is left may be equal to what another string said: for what decides by equality
 * (ids, roles, addresses) ask isStorable of the original instead.
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
    if (isKeptKey(name)) entries.push([name, sanitise(item, depth + 1)]);
  }
  return Object.fromEntries(entries);
}

/** Whether a key of an object is kept: text in PostgreSQL can hold it, and its value is no secret. */
export function isKeptKey(name: string): boolean {
  return isStorable(name) && !forbiddenKeys.has(name);
}

/** Whether text in PostgreSQL can hold it: it has no NUL and no surrogate without its pair. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** Takes out what text in PostgreSQL cannot hold. For texts that are shown, and that decide nothing. */
export function sanitiseText(text: string): string {
  if (isStorable(text)) return text;
  // With the u flag \p{Surrogate} matches only surrogates that are not part of a pair.
  return text.replaceAll("\0", "").replace(/\p{Surrogate}/gu, "");
}
