import { expect, test } from "vitest";
import { hashContent } from "./manifest.ts";
import { planFiles } from "./plan-files.ts";
import type { Project } from "./read-project.ts";

const path = "supabase/functions/a/index.ts";
const sources = [{ source: path, path, content: "new\n" }];

/** A project with that file, where `installed` was put there by us. */
function project(present: string | null, installed?: string): Project {
  const entry = { source: path, path, sha256: hashContent(installed ?? "") };
  const manifest = { version: "1", migrations: [], files: [entry], sections: [], folders: [], kept: [] };
  return {
    config: "",
    manifest: installed === undefined ? null : manifest,
    files: new Map(present === null ? [] : [[path, present]]),
    folders: new Set(),
    ref: null,
  };
}

const never = () => null;

test.each([
  ["that is not there is added", project(null), "add"],
  ["that was taken away is added again", project(null, "old\n"), "add"],
  ["that is the same already stays", project("new\n"), "unchanged"],
  ["that differs in line ends only stays", project("new\r\n", "old\n"), "unchanged"],
  ["as we installed it is replaced", project("old\n", "old\n"), "update"],
  ["as we installed it, checked out with CRLF, is replaced", project("old\r\n", "old\n"), "update"],
  ["that the user changed is a conflict", project("mine\n", "old\n"), "conflict"],
  ["that was there before is a conflict", project("mine\n"), "conflict"],
])("a file %s", (_, state, expected) => {
  expect(planFiles(sources, state, never)[0]?.state).toBe(expected);
});

test("only the conflict that was named is overwritten", () => {
  expect(planFiles(sources, project("mine\n"), (each) => (each === path ? "overwrite" : null))[0]).toMatchObject({
    state: "overwrite",
    content: "new\n",
  });
  expect(planFiles(sources, project("mine\n"), (each) => (each === path ? null : "overwrite"))[0]?.state).toBe(
    "conflict",
  );
});

test("a file that the user keeps stays, also when it is as we installed it, until it is ours again", () => {
  const keep = () => "keep" as const;
  expect(planFiles(sources, project("mine\n", "old\n"), keep)[0]).toMatchObject({ path, state: "keep" });
  expect(planFiles(sources, project("old\n", "old\n"), keep)[0]).not.toHaveProperty("content");
  expect(planFiles(sources, project("new\n", "old\n"), keep)[0]?.state).toBe("unchanged");
  expect(planFiles(sources, project(null, "old\n"), keep)[0]?.state).toBe("add");
});

test("a file that this version has no more is taken out, unless the user changed it", () => {
  expect(planFiles([], project("old\n", "old\n"), never)).toEqual([{ path, state: "remove" }]);
  expect(planFiles([], project("mine\n", "old\n"), never)).toMatchObject([{ path, state: "keep" }]);
  expect(planFiles([], project(null, "old\n"), never)).toEqual([]);
});
