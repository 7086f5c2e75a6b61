import { describe, expect, test } from "vitest";
import { fixtureBytes, fixtureNames, jsonBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { allRecords } from "../../../../../tests/support/clerk/record-fields.ts";
import type { RecordFields } from "../config/mapping.ts";
import { mapEvent } from "./map-event.ts";
import { parseEvent } from "./parse-event.ts";

function jobOf(body: Uint8Array, records: RecordFields = allRecords) {
  const event = parseEvent(body, records);
  if (event.type === "unhandled") throw new Error(`${event.name} is not handled`);
  return mapEvent(event, "msg_1", new Set(), records);
}

const jobOfData = (type: string, data: object, records?: RecordFields) =>
  jobOf(jsonBytes({ type, timestamp: 1_763_900_000_000, data }), records);

const only = (kind: "organization" | "membership" | "role" | "invitation", ...fields: string[]): RecordFields =>
  new Map([[kind, new Set(fields)]]);

const organization = {
  clerk_id: "org_35rXaCmEoRgAnIzAtIoN0000001",
  name: "Acme Inc",
  slug: "acme-inc",
  image_url: "https://img.clerk.com/eyJ0eXBlIjoiZGVmYXVsdCIsIm9yZyI6MX0",
  has_image: false,
  created_by: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
  max_allowed_memberships: 5,
  created_at: "2025-11-23T08:40:04.000Z",
  updated_at: "2025-11-23T08:40:04.000Z",
  public_metadata: {},
};

test("an organization's job has what is mapped of it", () => {
  expect(jobOf(fixtureBytes("organization.created"))).toEqual({
    event_id: "msg_1",
    kind: "organization",
    job_type: "ORGANIZATION_CREATED",
    clerk_id: organization.clerk_id,
    version: 1_763_887_204_000,
    payload: {
      ...organization,
      original_event: {
        type: "organization.created",
        object: "event",
        timestamp: 1_763_887_204_000,
        instance_id: "ins_2fQk3sYb7nWc0dLh5VtRzE8uJmA",
        data: {
          id: organization.clerk_id,
          object: "organization",
          created_at: 1_763_887_204_000,
          updated_at: 1_763_887_204_000,
        },
      },
      retry_count: 0,
    },
  });
});

test("a membership's job has whose it is in what, its role, and its organization as it was then", () => {
  const { payload, ...job } = jobOf(fixtureBytes("organizationMembership.updated"));
  expect(job).toMatchObject({ kind: "membership", job_type: "MEMBERSHIP_UPDATED", version: 1_763_892_200_000 });
  expect(payload).toEqual({
    clerk_id: "orgmem_35rXbMeMbErShIp000000001",
    organization_id: organization.clerk_id,
    user_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
    role: "org:member",
    created_at: "2025-11-23T08:40:04.240Z",
    updated_at: "2025-11-23T10:03:20.000Z",
    public_metadata: {},
    organization: { version: 1_763_887_204_000, payload: organization },
    original_event: expect.anything(),
    retry_count: 0,
  });
});

test("a role's job has its permissions in one order", () => {
  expect(jobOf(fixtureBytes("role.updated"))).toMatchObject({
    kind: "role",
    job_type: "ROLE_UPDATED",
    payload: {
      clerk_id: "role_35rXeDiToRrOlE0000000001",
      key: "org:editor",
      name: "Editor",
      description: "Edits and publishes",
      permissions: ["org:posts:edit", "org:posts:publish", "org:sys_memberships:read"],
    },
  });
});

test.each([
  ["organizationInvitation.created", "INVITATION_CREATED", "pending", null],
  ["organizationInvitation.accepted", "INVITATION_UPDATED", "accepted", "user_35rGrAcE0000000000000000001"],
])("%s is %s, and its status says what became of it", (name, job_type, status, user_id) => {
  expect(jobOf(fixtureBytes(name))).toMatchObject({
    kind: "invitation",
    job_type,
    payload: { email: "grace@example.com", role: "org:member", status, user_id, inviter_id: organization.created_by },
  });
});

test("a permission's job has its key alone", () => {
  const { payload, ...job } = jobOf(fixtureBytes("permission.created"));
  expect(job).toMatchObject({ kind: "permission", job_type: "PERMISSION_CREATED" });
  expect(payload).toEqual({
    clerk_id: "perm_35rXpOsTsEdIt000000000001",
    key: "org:posts:edit",
    original_event: expect.anything(),
    retry_count: 0,
  });
});

describe("a deletion", () => {
  test.each([
    ["organization.deleted", "ORGANIZATION_DELETED", 1_763_896_200_000, {}],
    ["role.deleted", "ROLE_DELETED", 1_763_893_200_000, {}],
    ["permission.deleted", "PERMISSION_DELETED", 1_763_893_300_000, {}],
    [
      "organizationMembership.deleted",
      "MEMBERSHIP_DELETED",
      1_763_893_200_000,
      {
        organization_id: organization.clerk_id,
        user_id: organization.created_by,
        created_at: "2025-11-23T08:40:04.240Z",
      },
    ],
  ])("%s says what it is about, and when", (name, job_type, version, more) => {
    const { payload, ...job } = jobOf(fixtureBytes(name));
    expect(job).toMatchObject({ job_type, version, clerk_id: payload["clerk_id"] });
    expect(payload).toEqual({ clerk_id: job.clerk_id, ...more, original_event: expect.anything(), retry_count: 0 });
  });

  test("of a permission keeps the key where Clerk says it: without a read it is all there is", () => {
    const data = { id: "perm_1", key: "org:posts:edit", name: "Edit", updated_at: 1 };
    expect(jobOfData("permission.deleted", data).payload).toMatchObject({ clerk_id: "perm_1", key: "org:posts:edit" });
  });

  test("without an id is a dead letter", () => {
    expect(jobOfData("organization.deleted", { deleted: true })).toMatchObject({
      clerk_id: null,
      dead_reason: "record_unknown: organization.deleted came without an id",
    });
  });
});

describe("a membership that does not say who is a member of what is a dead letter", () => {
  const membership = { id: "orgmem_1", role: "org:admin", organization: { id: "org_1", updated_at: 1e12 } };

  test("without public_user_data", () => {
    expect(jobOfData("organizationMembership.created", membership).dead_reason).toBe(
      "record_unknown: organizationMembership.created came without public_user_data.user_id, so it names no user",
    );
  });

  test("without its organization", () => {
    const data = { ...membership, organization: null, public_user_data: { user_id: "user_1" } };
    expect(jobOfData("organizationMembership.updated", data).dead_reason).toBe(
      "record_unknown: organizationMembership.updated came without organization.id, so it names no organization",
    );
  });

  test("its deletion is none: its id says enough", () => {
    expect(jobOfData("organizationMembership.deleted", { id: "orgmem_1" }).dead_reason).toBeUndefined();
  });
});

describe("absent is not null (law 11)", () => {
  test("what is required and absent is named, with the optional that may have been taken out with it", () => {
    const { payload } = jobOfData("organization.updated", { id: "org_1", name: "Acme" });
    expect(payload).toMatchObject({ clerk_id: "org_1", name: "Acme" });
    expect(payload["absent"]).toEqual(
      expect.arrayContaining(["max_allowed_memberships", "public_metadata", "created_at", "slug", "image_url"]),
    );
    expect(payload).not.toHaveProperty("slug");
  });

  test("what is optional and absent is empty where nothing else is missing", () => {
    const { payload } = jobOfData(
      "organization.updated",
      { id: "org_1", name: "Acme" },
      only("organization", "name", "slug"),
    );
    expect(payload).toMatchObject({ name: "Acme", slug: null });
    expect(payload).not.toHaveProperty("absent");
  });

  test("a path of metadata that is given says so; one that is not is null", () => {
    const records = only("organization", "public_metadata.plan", "public_metadata.team.size");
    const data = { id: "org_1", public_metadata: { plan: "pro", private_metadata: { key: 1 } } };
    const { payload } = jobOfData("organization.updated", data, records);
    expect(payload).toMatchObject({ "public_metadata.plan": "pro", "public_metadata.team.size": null });
    expect(payload["given"]).toEqual(["public_metadata.plan"]);
    expect(jobOfData("organization.updated", { id: "org_1" }, records).payload["absent"]).toEqual([
      "public_metadata.plan",
      "public_metadata.team.size",
    ]);
  });
});

describe("nothing is taken that was not asked for (law 10)", () => {
  test("of a membership without organizations the organization is not taken", () => {
    const { payload } = jobOf(fixtureBytes("organizationMembership.created"), only("membership"));
    expect(Object.keys(payload).sort()).toEqual(
      ["clerk_id", "created_at", "organization_id", "original_event", "retry_count", "user_id"].sort(),
    );
  });

  test("an embedded organization without a version is not taken: nothing says whether it is newer", () => {
    const data = {
      id: "orgmem_1",
      organization: { id: "org_1", name: "Acme" },
      public_user_data: { user_id: "user_1" },
    };
    expect(jobOfData("organizationMembership.created", data).payload).not.toHaveProperty("organization");
  });

  test.each(fixtureNames().filter((name) => /^(organization|role|permission)/.test(name)))(
    "%s brings no private metadata, url, counts, permissions of a membership, personal data or request",
    (name) => {
      const event = JSON.parse(new TextDecoder().decode(fixtureBytes(name)));
      for (const each of [event.data, event.data.organization ?? {}]) {
        Object.assign(each, { private_metadata: { secret: "top" }, last_active_at: 1 });
      }
      const stored = JSON.stringify(jobOf(jsonBytes(event)));
      expect(stored).not.toMatch(/private_metadata|secret|invitation-token|tickets|members_count|pending_invitations/);
      expect(stored).not.toMatch(/last_active_at|Lovelace|ada@example|203\.0\.113|Mozilla|org:sys_profile/);
    },
  );
});
