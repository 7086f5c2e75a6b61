import { readdirSync, readFileSync } from "node:fs";

const folder = new URL("../../fixtures/clerk/", import.meta.url);

/** The bytes of a fixture, as Clerk would send them. */
export function fixtureBytes(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`${name}.json`, folder)));
}

/** The names of all fixtures, without .json. */
export function fixtureNames(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length));
}

/** The bytes of any value as JSON text. */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}
