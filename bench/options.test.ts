import { describe, expect, test } from "vitest";
import { readOptions } from "./options.ts";

describe("the command line", () => {
  test("runs all scenarios when none is named", () => {
    expect(readOptions([], ["a", "b"])).toMatchObject({ names: ["a", "b"], out: null });
  });

  test("takes numbers", () => {
    const { options } = readOptions(["--rounds", "7", "--long-history=10"], ["a"]);
    expect(options).toMatchObject({ rounds: 7, history: 1_000_000, longHistory: 10 });
  });

  test("takes a folder for the results, so that the stored ones stay", () => {
    expect(readOptions(["--out", "fresh"], ["a"]).out).toBe("fresh");
  });

  test("takes another PostgreSQL, whose results never become the stored ones", () => {
    const { postgres } = readOptions(["--postgres", "/usr/lib/postgresql/15/bin", "--out", "fresh"], ["a"]);
    expect(postgres).toBe("/usr/lib/postgresql/15/bin");
    expect(() => readOptions(["--postgres", "/usr/lib/postgresql/15/bin"], ["a"])).toThrow("--postgres needs --out");
  });

  test("names those there are when one is not known", () => {
    expect(() => readOptions(["c"], ["a", "b"])).toThrow("There are: a, b.");
  });

  test.each(["0", "-1", "x", "1.5"])("refuses --rounds %s", (rounds) => {
    expect(() => readOptions([`--rounds=${rounds}`], ["a"])).toThrow("--rounds");
  });
});
