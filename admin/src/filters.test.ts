import { expect, it } from "vitest";
import { readFilters, writeFilters } from "./filters.ts";

const names = ["kind", "source"] as const;

it("filters are read from the address, without empty and unknown ones", () => {
  expect(readFilters(new URLSearchParams("kind=burst&source=%20&other=1"), names)).toEqual({ kind: "burst" });
});

it("a changed filter leaves the others and the rest of the address as they are", () => {
  const changed = writeFilters(new URLSearchParams("kind=burst&window=7d"), { source: " Ada & Bob " });
  expect(changed.toString()).toBe("kind=burst&window=7d&source=Ada+%26+Bob");
});

it.each([null, undefined, "", "  "])("the filter %j is taken out of the address", (value) => {
  expect(writeFilters(new URLSearchParams("kind=burst&source=x"), { source: value }).toString()).toBe("kind=burst");
});

it("what was written is read again", () => {
  const written = writeFilters(new URLSearchParams(), { kind: "a=b&c", source: "é #%" });
  expect(readFilters(new URLSearchParams(written.toString()), names)).toEqual({ kind: "a=b&c", source: "é #%" });
});
