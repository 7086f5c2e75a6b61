import { expect, test } from "vitest";
import type { Configuration } from "./configuration.ts";
import { plainConfiguration } from "./expand-configuration.ts";
import { parseConfiguration } from "./parse-configuration.ts";
import { refuseUnsupported, unsupported } from "./unsupported.ts";

function read(file: object): Configuration {
  const parsed = parseConfiguration(JSON.stringify(file));
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.configuration;
}

test("users, and organizations with what belongs to them, are done by this version", () => {
  expect(unsupported(plainConfiguration)).toEqual([]);
  const kinds = { organizations: true, memberships: true, roles: {}, invitations: true };
  expect(unsupported(read({ ...kinds, changes: false, hooks: [], helpers: {} }))).toEqual([]);
  expect(() => refuseUnsupported(plainConfiguration, "f")).not.toThrow();
});

test("what this version does not do is named", () => {
  const all = read({
    changes: true,
    hooks: [{ name: "a", on: ["user.*"], queue: "q" }],
  });
  expect(unsupported(all)).toEqual(["changes", "hooks"]);
  expect(() => refuseUnsupported(read({ roles: true, changes: true }), "clerk-sync.config.json")).toThrow(
    expect.objectContaining({
      code: "config_invalid",
      message:
        "clerk-sync.config.json asks for changes, which this version of clerk-sync does not do. Remove changes from the file.",
    }),
  );
});
