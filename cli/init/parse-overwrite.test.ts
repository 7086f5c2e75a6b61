import { expect, test } from "vitest";
import { parseOverwrite } from "./parse-overwrite.ts";

const targets = ["supabase/functions/a/index.ts", "supabase/functions/ab/index.ts", "supabase/config.toml"];
const allowed = (given: true | string[] | undefined) => targets.filter(parseOverwrite(given, targets));

test("absent it allows nothing, plain it allows all", () => {
  expect(allowed(undefined)).toEqual([]);
  expect(allowed(true)).toEqual(targets);
});

test.each([["supabase/functions/a/index.ts"], ["./supabase/functions/a/"], ["supabase\\functions\\a"]])(
  "%s allows that file and no neighbour",
  (path) => {
    expect(allowed([path])).toEqual([targets[0]]);
  },
);

test("a path that nothing goes to is a usage error", () => {
  expect(() => allowed(["supabase/functions/b"])).toThrow(
    "--overwrite supabase/functions/b: nothing is installed there",
  );
});
