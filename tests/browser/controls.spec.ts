import { expect, test } from "@playwright/test";
import { readControls } from "./support/controls.ts";

test("every control that any page showed was used by a test", async () => {
  const { found, used } = await readControls();
  expect(found.size).toBeGreaterThan(60);
  expect([...found].filter((control) => !used.has(control)).sort()).toEqual([]);
});
