import { expect, it } from "vitest";
import { readSince } from "./since.ts";

const now = Date.parse("2026-11-25T12:00:00Z");

it.each([
  ["1h", "2026-11-25T11:00:00.000Z"],
  ["7d", "2026-11-18T12:00:00.000Z"],
  ["2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00.000Z"],
])("%s of the address is %s", (text, time) => {
  expect(readSince(text, now)).toBe(time);
});

it.each([undefined, "", "soon", "7w"])("%j of the address filters nothing", (text) => {
  expect(readSince(text, now)).toBeNull();
});
