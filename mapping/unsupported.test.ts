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

test("a file about users alone is done by this version", () => {
  expect(unsupported(plainConfiguration)).toEqual([]);
  expect(unsupported(read({ organizations: false, changes: false, hooks: [], helpers: {} }))).toEqual([]);
  expect(() => refuseUnsupported(plainConfiguration, "f")).not.toThrow();
});

test("what this version does not do is named", () => {
  const all = read({
    organizations: true,
    memberships: true,
    roles: {},
    invitations: true,
    changes: true,
    hooks: [{ name: "a", on: ["user.*"], queue: "q" }],
  });
  expect(unsupported(all)).toEqual(["organizations", "memberships", "roles", "invitations", "changes", "hooks"]);
  expect(() => refuseUnsupported(read({ roles: true, changes: true }), "clerk-sync.config.json")).toThrow(
    expect.objectContaining({
      code: "config_invalid",
      message:
        "clerk-sync.config.json asks for roles, changes. This version of clerk-sync syncs users only. Remove roles, changes from the file.",
    }),
  );
});
