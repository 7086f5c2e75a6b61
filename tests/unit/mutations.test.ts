import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { allMutations } from "../support/mutations/all-mutations.ts";
import { applyEdit } from "../support/mutations/mutations.ts";

const read = (name: string) => readFile(fileURLToPath(new URL(`../../${name}`, import.meta.url)), "utf8");

it("every line that a mutation takes out is where it is looked for, and its file of tests exists", async () => {
  for (const { test, title, edits } of allMutations) {
    expect(await read(test), title).toContain("expect(");
    for (const edit of edits) {
      const text = await read(edit.file);
      expect(applyEdit(text, edit), title).not.toBe(text);
    }
  }
});
