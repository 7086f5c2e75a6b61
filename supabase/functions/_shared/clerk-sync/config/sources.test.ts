import { expect, test } from "vitest";
import { isUserField, payloadKey, type UserSource, userSources } from "./sources.ts";

const paths: UserSource[] = ["public_metadata.role", "public_metadata.a.b", "unsafe_metadata.role"];

test("each source that an event brings has a key of its own in payloads", () => {
  const keys = [...userSources, ...paths].map(payloadKey).filter((key) => key !== null);
  expect(keys.every(isUserField)).toBe(true);
  expect(new Set(keys).size).toBe(userSources.length + paths.length - 2);
  expect(["id", "now"].map((source) => payloadKey(source as UserSource))).toEqual([null, null]);
});

test.each([
  "",
  "id",
  "now",
  "role",
  "private_metadata",
  "private_metadata.key",
  "public_metadata.role", // its key is user_role
  "public_metadata.",
  "public_metadata..key",
  "public_metadata.key.",
  "public_metadata.private_metadata",
  "public_metadata.a.private_metadata.b",
  "unsafe_metadata",
  "metadata.key",
  "email.x",
  "toString",
  "__proto__",
])("%j is no key of payloads", (text) => {
  expect(isUserField(text)).toBe(false);
});
