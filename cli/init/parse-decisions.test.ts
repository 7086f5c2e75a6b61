import { expect, test } from "vitest";
import { type GivenDecisions, parseDecisions } from "./parse-decisions.ts";

const targets = ["supabase/functions/a/index.ts", "supabase/functions/ab/index.ts", "supabase/config.toml"];
const [a = "", ab = "", config = ""] = targets;
const decide = (given: Partial<GivenDecisions>) => targets.map(parseDecisions({ kept: [], ...given }, targets));

test("absent nothing is decided, plain --overwrite takes all", () => {
  expect(decide({})).toEqual([null, null, null]);
  expect(decide({ overwrite: true })).toEqual(["overwrite", "overwrite", "overwrite"]);
});

test.each([["supabase/functions/a/index.ts"], ["./supabase/functions/a/"], ["supabase\\functions\\a"]])(
  "%s decides that file and no neighbour",
  (path) => {
    expect(decide({ overwrite: [path] })).toEqual(["overwrite", null, null]);
    expect(decide({ keep: [path] })).toEqual(["keep", null, null]);
  },
);

test("--keep leaves a file out of a folder to overwrite", () => {
  expect(decide({ overwrite: ["supabase/functions"], keep: [ab] })).toEqual(["overwrite", "keep", null]);
  expect(decide({ overwrite: true, keep: [config] })).toEqual(["overwrite", "overwrite", "keep"]);
});

test("what was kept earlier is kept until it is overwritten by its name", () => {
  expect(decide({ kept: [a] })).toEqual(["keep", null, null]);
  expect(decide({ kept: [a], overwrite: true })).toEqual(["keep", "overwrite", "overwrite"]);
  expect(decide({ kept: [a], overwrite: [a] })).toEqual(["overwrite", null, null]);
});

test.each(["overwrite", "keep"])("a path that nothing goes to is a usage error of --%s", (option) => {
  expect(() => decide({ [option]: ["supabase/functions/b"] })).toThrow(
    `--${option} supabase/functions/b: nothing is installed there`,
  );
});
