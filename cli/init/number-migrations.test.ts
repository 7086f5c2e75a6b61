import { expect, test } from "vitest";
import { numberMigrations } from "./number-migrations.ts";

const now = Date.UTC(2026, 10, 25, 23, 59, 59);

test("the last number is the second before now, in UTC, so that a migration made now gets another", () => {
  expect(numberMigrations(2, [], now + 2000)).toEqual(["20261125235959", "20261126000000"]);
  expect(numberMigrations(61, [], now)).toHaveLength(61);
  expect(numberMigrations(61, [], now).at(-1)).toBe("20261125235958");
});

test("older migrations of any form change nothing", () => {
  expect(numberMigrations(1, ["0001", "20240101", "20261125235957"], now)).toEqual(["20261125235958"]);
});

test("after a migration of a moment ago there is no room up to now, and the first numbers after it are taken", () => {
  expect(numberMigrations(3, ["20261125235958"], now)).toEqual(["20261125235959", "20261126000000", "20261126000001"]);
});

test("a newer migration is followed one second later, over the end of a year", () => {
  expect(numberMigrations(2, ["20261231235959", "20250101000000"], now)).toEqual(["20270101000000", "20270101000001"]);
});

test("the number of now is not given twice", () => {
  expect(numberMigrations(1, ["20261125235959"], now)).toEqual(["20261126000000"]);
});

test.each([
  ["that is no time", "20269999999998", "20269999999999"],
  ["of one digit, which sorts after every year", "9", "90000000000001"],
  ["of more than 14 digits", "20270101000000123", "20270101000001"],
])("a number %s is followed by one that sorts after it", (_, existing, expected) => {
  const [number] = numberMigrations(1, [existing], now);
  expect(number).toBe(expected);
  expect(`${number}` > existing).toBe(true);
});

test("where nothing can sort after the newest, it is named", () => {
  expect(() => numberMigrations(1, ["99999999999999"], now)).toThrow("No migration can sort after 99999999999999");
  expect(numberMigrations(0, ["99999999999999"], now)).toEqual([]);
});
