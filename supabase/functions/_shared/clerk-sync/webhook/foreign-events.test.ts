import { expect, test } from "vitest";
import { fixtureBytes, fixtureNames, jsonBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { allRecords } from "../../../../../tests/support/clerk/record-fields.ts";
import type { HandledEvent } from "../clerk/map-event.ts";
import { parseEvent } from "../clerk/parse-event.ts";
import { checkOrigin } from "./foreign-events.ts";

const own = "ins_2fQk3sYb7nWc0dLh5VtRzE8uJmA";
const parse = (bytes: Uint8Array) => parseEvent(bytes, allRecords) as HandledEvent;

test.each(["user.created", "user.updated", "user.deleted", "user.deleted.no-id"])("%s is of its instance", (name) => {
  const event = parse(fixtureBytes(name));
  expect(checkOrigin(event, [])).toBe("instance");
  expect(checkOrigin(event, ["ins_staging", own])).toBe("instance");
  expect(checkOrigin(event, ["ins_staging"])).toBe("other_instance");
});

test("an event that names no instance is not of a pinned one", () => {
  const event = parse(jsonBytes({ type: "user.deleted", data: { id: "user_1" } }));
  expect(checkOrigin(event, [])).toBe("instance");
  expect(checkOrigin(event, [own])).toBe("other_instance");
});

test.each(fixtureNames().filter((name) => /sample\.user\./.test(name)))("%s is a sample, pinned or not", (name) => {
  const event = parse(fixtureBytes(name));
  expect(checkOrigin(event, [])).toBe("sample");
  expect(checkOrigin(event, [own])).toBe("sample");
});

test.each(["ins_123", "ins_2g7np7Hrk0SN6kj5EDMLDaKNL0S"])(
  "an event of the samples' instance %s is a sample",
  (instance_id) => {
    const event = parse(jsonBytes({ type: "user.deleted", instance_id, data: { external_id: "ex_1" } }));
    expect(checkOrigin(event, [])).toBe("sample");
  },
);

/** By kind: in Clerk's event catalog the sample of each has an id of its own. */
const sampleIds = [
  "user_29w83sxmDNGwOuEthce5gg56FcC",
  "user_29wBMCtzATuFJut8jO2VNTVekS4",
  "user_2g7np7Hrk0SN6kj5EDMLDaKNL0S",
];
const kinds = ["user.created", "user.updated", "user.deleted"];

test.each(kinds.flatMap((type) => sampleIds.map((id) => [type, id])))("%s of %s is a sample", (type, id) => {
  expect(checkOrigin(parse(jsonBytes({ type, data: { id } })), [])).toBe("sample");
});

/** Of Clerk's event catalog and of its OpenAPI description. */
const sampleRecords = [
  ["organization.created", "org_29w9IfBrPmcpi0IeBVaKtA7R94W"],
  ["organization.deleted", "org_2g7np7Hrk0SN6kj5EDMLDaKNL0S"],
  ["organizationMembership.created", "orgmem_29w9IptNja3mP8GDXpquBwN2qR9"],
  ["organizationMembership.deleted", "orgmem_29wAbjiJs6aZuPq7AzmkW9dwmyl"],
  ["organizationInvitation.accepted", "orginv_29wBIniWYy0slasTNQlmHD9HeN1"],
  ["role.created", "role_2Ym4Iu9JcfMpa4wsTmsRgnY83MX"],
  ["role.deleted", "role_2g7np7Hrk0SN6kj5EDMLDaKNL0S"],
  ["permission.deleted", "perm_2Ym16qDMKg37umUxkqDlizY7dfi"],
];

test.each(sampleRecords)("%s of %s is a sample", (type, id) => {
  expect(checkOrigin(parse(jsonBytes({ type, data: { id } })), [own])).toBe("sample");
  expect(checkOrigin(parse(jsonBytes({ type, instance_id: own, data: { id: `${id}x` } })), [own])).toBe("instance");
});
