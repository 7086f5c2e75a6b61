import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatConfigurationSchema } from "./format-configuration-schema.ts";

const schema: unknown = JSON.parse(formatConfigurationSchema());

test("config.schema.json is what the schema says: npm run schema", () => {
  expect(readFileSync(new URL("../config.schema.json", import.meta.url), "utf8")).toBe(formatConfigurationSchema());
});

test("an editor shows help for every setting", () => {
  const settings = listSettings(schema, []);
  expect(settings.length).toBeGreaterThan(40);
  expect(settings.filter(({ isDescribed }) => !isDescribed).map(({ path }) => path)).toEqual([]);
});

test("an editor completes the sources and takes comments", () => {
  expect(schema).toMatchObject({
    allowComments: true,
    allowTrailingCommas: true,
    properties: {
      users: {
        required: ["table", "key", "columns"],
        additionalProperties: false,
        properties: {
          columns: {
            additionalProperties: {
              anyOf: [
                {
                  anyOf: [
                    { enum: expect.arrayContaining(["email", "now"]) },
                    { pattern: "^public_metadata\\.[^.]+(?:\\.[^.]+)*$" },
                  ],
                },
                {},
              ],
            },
          },
        },
      },
    },
  });
});

/** Every member of every `properties`, and whether it is described. */
function listSettings(node: unknown, path: string[]): { path: string; isDescribed: boolean }[] {
  if (Array.isArray(node)) return node.flatMap((each) => listSettings(each, path));
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => {
    if (key !== "properties") return listSettings(value, path);
    return Object.entries(value as Record<string, object>).flatMap(([name, setting]) => [
      { path: [...path, name].join("."), isDescribed: "description" in setting },
      ...listSettings(setting, [...path, name]),
    ]);
  });
}
