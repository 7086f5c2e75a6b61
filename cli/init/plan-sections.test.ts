import { expect, test } from "vitest";
import { planSectionRemoval, planSections } from "./plan-sections.ts";

const values = { verify_jwt: false, import_map: "./functions/a/deno.json", entrypoint: "./functions/a/index.ts" };
const wanted = [{ name: "a", values }];
const plan = (text: string, decision: "overwrite" | "keep" | null = null) => planSections(text, wanted, [], decision);

test("a section that is missing is added and remembered as it was added", () => {
  const { sections, text, installed } = plan("b = 1\n");
  expect(sections).toEqual([{ name: "a", state: "add" }]);
  expect(text).toBe(`b = 1\n${installed[0]?.text}`);
});

test.each([
  ["with the same values", '[functions.a]\nverify_jwt = false\nimport_map = "functions/a/deno.json"\n'],
  ["with paths left to their defaults", "functions.a.verify_jwt = false\n"],
])("a section of the owner's %s stays, and is not ours", (_, text) => {
  expect(plan(text)).toEqual({ sections: [{ name: "a", state: "unchanged" }], text, installed: [] });
});

test.each([
  ["verify_jwt true", "[functions.a]\nverify_jwt = true\n", "verify_jwt must be false (line 2)"],
  ["verify_jwt absent", "\n[functions.a]\nenabled = true\n", "verify_jwt must be false (line 2)"],
  ["the function off", "[functions.a]\nverify_jwt = false\nenabled = false\n", "enabled must be true (line 3)"],
  [
    "another entrypoint",
    '[functions.a]\nverify_jwt = false\nentrypoint = "./x.ts"\n',
    'entrypoint must be "./functions/a/index.ts" (line 3)',
  ],
])("a section with %s is a conflict that names the line", (_, text, why) => {
  expect(plan(text)).toEqual({ sections: [{ name: "a", state: "conflict", why }], text, installed: [] });
});

test("a conflict that may be overwritten changes its lines and no other byte", () => {
  const { sections, text, installed } = plan(
    "# top\n[functions.a]\nverify_jwt = true # old\nenabled = false\n",
    "overwrite",
  );
  expect(sections[0]?.state).toBe("overwrite");
  expect(text).toBe("# top\n[functions.a]\nverify_jwt = false # old\nenabled = true\n");
  expect(installed).toEqual([]);
});

test("what cannot be changed by us is a conflict, also when it may be overwritten", () => {
  const odd = plan("[functions]\na = 1\n", "overwrite");
  expect(odd.sections[0]).toMatchObject({ state: "conflict", why: expect.stringContaining("by hand") });
  const inline = plan("functions = { b = { verify_jwt = true } }\n", "overwrite");
  expect(inline.sections[0]).toMatchObject({ state: "conflict", why: expect.stringContaining("inline table") });
});

test("what the user keeps is not touched, and what is wrong with it is said", () => {
  const text = "[functions.a]\nverify_jwt = true\n";
  const kept = plan(text, "keep");
  expect(kept).toMatchObject({ text, sections: [{ state: "keep", why: expect.stringContaining("verify_jwt") }] });
  const inline = plan("functions = { b = { verify_jwt = true } }\n", "keep");
  expect(inline.sections[0]).toMatchObject({ state: "keep", why: expect.stringContaining("missing") });
});

test("a section of ours with older values is replaced, one of a function that is gone is taken out", () => {
  const older = planSections("b = 1\n", [{ name: "a", values: { verify_jwt: true } }], [], null);
  const upgrade = planSections(older.text, wanted, older.installed, null);
  expect(upgrade.sections).toEqual([{ name: "a", state: "update" }]);
  expect(upgrade.text).toBe(plan("b = 1\n").text);
  const gone = planSections(upgrade.text, [], upgrade.installed, null);
  expect(gone).toEqual({ sections: [{ name: "a", state: "remove" }], text: "b = 1\n", installed: [] });
});

test("a section of ours is recognised where the manifest was lost", () => {
  const { text, installed } = plan("b = 1\n");
  expect(plan(text).installed).toEqual(installed);
});

test.each(["b = 1", "b = 1\n", "b = 1\r\nc = 2"])(
  "after all sections of ours are taken out of %j it is as it was",
  (text) => {
    const both = [...wanted, { name: "b", values: { verify_jwt: false } }];
    const added = planSections(text, both, [], null);
    expect(planSectionRemoval(added.text, added.installed).text).toBe(text);
  },
);
