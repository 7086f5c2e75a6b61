import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { verdictWords } from "#core/admin/user/user-words.ts";

test("docs/admin.md names verdicts by the titles that the API gives them", () => {
  const page = readFileSync(new URL("../../docs/admin.md", import.meta.url), "utf8");
  const [, rows = ""] = /^\| title \| what fixes it \|\n\|---\|---\|\n((?:\|.*\n)+)/m.exec(page) ?? [];
  const named = [...rows.matchAll(/^\| (.+?) \|/gm)].flatMap(([, titles = ""]) => titles.split("; "));
  expect(named.length).toBeGreaterThan(10);
  const known = Object.values(verdictWords).map(({ title }) => title);
  expect(named.filter((title) => !known.includes(title))).toEqual([]);
});
