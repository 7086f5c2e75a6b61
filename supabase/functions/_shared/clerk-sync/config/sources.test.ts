import { expect, test } from "vitest";
import {
  invitationSources,
  isRecordField,
  isUserField,
  kindPayloadKey,
  membershipSources,
  organizationSources,
  payloadKey,
  roleSources,
  type UserSource,
  userSources,
} from "./sources.ts";

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

test.each([
  ["organization", [...organizationSources, "public_metadata.plan" as const]],
  ["membership", [...membershipSources, "public_metadata.team.size" as const]],
  ["role", roleSources],
  ["invitation", invitationSources],
] as const)("each source of a kind that an event brings has a key of its own in payloads: %s", (kind, sources) => {
  const keys = sources.map(kindPayloadKey).filter((key) => key !== null);
  expect(keys.every((key) => isRecordField(kind, key))).toBe(true);
  expect(new Set(keys).size).toBe(sources.length - 2);
});
