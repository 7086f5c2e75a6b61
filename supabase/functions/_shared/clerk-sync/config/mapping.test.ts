import { expect, test } from "vitest";
import { SyncError } from "../errors.ts";
import { fieldsOf, parseMapping } from "./mapping.ts";

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
  expect(parseMapping({ hash: "abc", users, organizations: { fields: [] } })).toEqual({
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
