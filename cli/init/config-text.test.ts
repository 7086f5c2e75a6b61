import { expect, test } from "vitest";
import { appendSection, parseConfig, removeSection } from "./config-text.ts";

const section = {
  name: "clerk-webhook",
  values: { verify_jwt: false, entrypoint: "./functions/clerk-webhook/index.ts" },
};
const other = { name: "other", values: { verify_jwt: false } };

const texts = [
  ["empty", ""],
  ["plain", 'project_id = "a"\n\n# a comment\n[api]\nport = 1 # here\n'],
  ["without a final newline", 'project_id = "a"'],
  ["with CRLF", 'project_id = "a"\r\n[api]\r\nport = 1\r\n'],
  ["with CRLF without a final newline", 'project_id = "a"\r\n[api]\r\nport = 1'],
  ["with a byte order mark", '\uFEFFproject_id = "a"\n'],
  ["with dotted keys", "functions.own.verify_jwt = true\n"],
  ["with [functions]", "[functions]\nown.verify_jwt = true\n"],
  ["with dates and nested arrays", "[x]\nat = 1979-05-27T07:32:00Z\nlist = [[1], { a = 2 }]\n[[y]]\nz = 1\n"],
  ["ending in blank lines and a comment", "[api]\nport = 1\n\n\n# the end\n"],
] as const;

test.each(texts)("a section is added to a text %s, every byte before it stays", (_, text) => {
  const changed = appendSection(text, section);
  expect(changed?.text.startsWith(text)).toBe(true);
  expect(parseConfig(changed?.text ?? "")).toMatchObject({ functions: { "clerk-webhook": section.values } });
  expect(changed?.text.replaceAll("\r\n", "").includes("\r")).toBe(false);
  if (text.includes("\r\n")) expect(changed?.text.replaceAll("\r\n", "")).not.toContain("\n");
});

test.each(texts)("two sections come out of a text %s again without a trace", (_, text) => {
  const first = appendSection(text, section);
  const second = appendSection(first?.text ?? "", other);
  const without = removeSection(second?.text ?? "", "other", second?.added ?? "");
  expect(removeSection(without ?? "", section.name, first?.added ?? "")).toBe(text);
});

test("a section whose line before was left open does not glue its neighbours together", () => {
  const changed = appendSection("a = 1", section);
  const text = `${changed?.text}[own]\nb = 2\n`;
  expect(removeSection(text, section.name, changed?.added ?? "")).toBe("a = 1\n[own]\nb = 2\n");
});

test("a section is found again after its line ends were turned into CRLF", () => {
  const changed = appendSection("a = 1\n", section);
  const checkedOut = (changed?.text ?? "").replaceAll("\n", "\r\n");
  expect(removeSection(checkedOut, section.name, changed?.added ?? "")).toBe("a = 1\r\n");
});

test("a section that was changed, or got a key, stays", () => {
  const changed = appendSection("a = 1\n", section);
  const added = changed?.added ?? "";
  expect(removeSection((changed?.text ?? "").replace("false", "true"), section.name, added)).toBeNull();
  expect(removeSection(`${changed?.text}enabled = false\n`, section.name, added)).toBeNull();
});

test("nothing is added where the text allows no section", () => {
  expect(appendSection("functions = { own = { verify_jwt = true } }\n", section)).toBeNull();
  expect(appendSection('[functions]\nclerk-webhook = "odd"\n', section)).toBeNull();
});

test("a text that is no TOML is refused with its line", () => {
  expect(() => parseConfig("a = 1\nb = \n")).toThrow(/supabase\/config\.toml cannot be read: [\s\S]*2:/);
});
