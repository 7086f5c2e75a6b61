import { expect, test } from "vitest";
import { SyncError } from "../errors.ts";
import { fieldsOf, parseMapping, recordFieldsOf } from "./mapping.ts";

function refusalOf(value: unknown): SyncError {
  try {
    parseMapping(value);
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
  throw new Error("it was taken");
}

test("a mapping is its hash and the fields of users, whatever else a later version writes", () => {
  const users = { fields: ["email", "public_metadata.plan"], later: true };
  expect(parseMapping({ hash: "abc", users, changes: { fields: [] } })).toEqual({
    hash: "abc",
    users: { fields: ["email", "public_metadata.plan"] },
  });
});

test("every problem of the file is named by its place, and no value is", () => {
  const refusal = refusalOf({ hash: "", users: { fields: ["email", "private_metadata.key", 7] } });
  expect(refusal).toMatchObject({ code: "config_invalid", retryable: false });
  expect(refusal.message.match(/^ {2}[\w.]+/gm)).toEqual(["  hash", "  users.fields.1", "  users.fields.2"]);
  expect(refusal.message).not.toContain("private_metadata");
  expect(refusalOf(null).message).toContain("the file: ");
});

test("payloads hold the mapped fields, and while the mirror is on those that it writes", () => {
  const mapping = parseMapping({ hash: "abc", users: { fields: ["username", "email"] } });
  expect(fieldsOf(mapping, false)).toEqual(new Set(["username", "email"]));
  const mirrored = ["email", "phone", "name", "user_role", "banned", "locked", "deprovisioned"];
  expect(fieldsOf(mapping, true)).toEqual(new Set(["username", ...mirrored]));
});

test("a kind that is mapped has its fields; one that is not is not stored", () => {
  const users = { fields: [] };
  expect(recordFieldsOf(parseMapping({ hash: "abc", users }))).toEqual(new Map());
  const memberships = { fields: ["organization_id", "user_id", "role", "public_metadata.team"] };
  const mapping = parseMapping({ hash: "abc", users, organizations: { fields: ["name", "slug"] }, memberships });
  expect(recordFieldsOf(mapping)).toEqual(
    new Map([
      ["organization", new Set(["name", "slug"])],
      ["membership", new Set(memberships.fields)],
    ]),
  );
});

test("permissions are looked at where roles are stored", () => {
  const mapping = parseMapping({ hash: "abc", users: { fields: [] }, roles: { fields: ["key", "permissions"] } });
  expect(recordFieldsOf(mapping).get("permission")).toEqual(new Set(["key"]));
});

test.each([
  ["organizations", "members_count"],
  ["organizations", "private_metadata"],
  ["organizations", "public_metadata.private_metadata.key"],
  ["memberships", "permissions"],
  ["memberships", "organization"],
  ["memberships", "unsafe_metadata.theme"],
  ["roles", "public_metadata.level"],
  ["invitations", "url"],
])("of %s %s is no field", (kind, field) => {
  const refusal = refusalOf({ hash: "abc", users: { fields: [] }, [kind]: { fields: [field] } });
  expect(refusal.message).toContain(`  ${kind}.fields.0: `);
});
