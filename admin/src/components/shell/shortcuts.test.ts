import { expect, it } from "vitest";
import { pageLinks } from "./pages.ts";
import { readKey } from "./shortcuts.ts";

it.each(pageLinks.map(({ key, path }) => [key, path]))("g, then %s, goes to %s", (key, path) => {
  const { prefix } = readKey("g", null, 1000);
  expect(readKey(key, prefix, 1500)).toEqual({ shortcut: { kind: "go", path }, prefix: null });
});

it("a letter goes nowhere without g, or long after it", () => {
  expect(readKey("j", null, 0).shortcut).toBeNull();
  expect(readKey("j", 1000, 2501).shortcut).toBeNull();
});

it("a letter that leads nowhere ends what g began", () => {
  expect(readKey("x", 1000, 1100)).toEqual({ shortcut: null, prefix: null });
});

it("/ searches and ? shows the list", () => {
  expect(readKey("/", null, 0).shortcut).toEqual({ kind: "search" });
  expect(readKey("?", null, 0).shortcut).toEqual({ kind: "help" });
});

it("no two pages have the same key", () => {
  expect(new Set(pageLinks.map(({ key }) => key)).size).toBe(pageLinks.length);
});
