import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fixtureBytes, fixtureNames, jsonBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import type { RecordKind } from "../config/sources.ts";
import { SyncError } from "../errors.ts";
import { type ClerkEvent, parseEvent, type RecordEvent } from "./parse-event.ts";

const kinds: ReadonlySet<RecordKind> = new Set(["organization", "membership", "role", "permission", "invitation"]);

function recordEvent(body: Uint8Array, handled = kinds): RecordEvent {
  const event = parseEvent(body, handled);
  if ("kind" in event) return event;
  throw new Error(`parsed as ${event.type}`);
}

const parse = (type: string, data: unknown, envelope: object = {}) =>
  recordEvent(jsonBytes({ type, data, timestamp: 1_763_900_000_000, ...envelope }));

describe("which events are handled", () => {
  const kindOf = {
    organization: "organization",
    organizationMembership: "membership",
    organizationInvitation: "invitation",
  };

  test.each(fixtureNames().filter((name) => /^(organization|role|permission)/.test(name)))("%s is", (name) => {
    const [prefix = "", action] = name.split(".");
    const kind = kindOf[prefix as keyof typeof kindOf] ?? prefix;
    const expected = action === "accepted" || action === "revoked" ? "updated" : action;
    expect(recordEvent(fixtureBytes(name))).toMatchObject({ type: name, kind, action: expected });
  });

  test("an event whose kind is not stored is not, and its content is not looked at", () => {
    for (const type of ["organization.created", "organizationMembership.deleted", "role.updated"]) {
      expect(parseEvent(jsonBytes({ type, data: 7 }))).toEqual({ type: "unhandled", name: type });
      expect(parseEvent(jsonBytes({ type, data: 7 }), new Set(["invitation"]))).toEqual({
        type: "unhandled",
        name: type,
      });
    }
  });

  test.each(["organization.teleported", "organizationDomain.created", "organizationInvitation.deleted", "toString"])(
    "%s is not",
    (type) => {
      expect(parseEvent(jsonBytes({ type, data: { id: "org_1" } }), kinds)).toEqual({ type: "unhandled", name: type });
    },
  );

  test.each([
    "organization.updated",
    "organizationMembership.created",
    "role.created",
    "organizationInvitation.created",
  ])("%s without an id is refused, and nothing of it is repeated", (type) => {
    const parsed = () => parse(type, { name: "Acme", email_address: "ada@example.com" });
    expect(parsed).toThrow(expect.objectContaining({ code: "event_malformed" }));
    expect(parsed).not.toThrow(/Acme|ada/);
  });
});

describe("the version", () => {
  test("of a change is the record's updated_at", () => {
    expect(recordEvent(fixtureBytes("organizationMembership.updated")).version).toBe(1_763_892_200_000);
    expect(parse("role.updated", { id: "role_1", updated_at: 1_763_892_200 }).version).toBe(1_763_892_200_000);
  });

  test("of a change without updated_at is the event's time", () => {
    expect(parse("organization.updated", { id: "org_1" }).version).toBe(1_763_900_000_000);
  });

  test.each(["organization", "organizationMembership", "role", "permission"])(
    "of %s.deleted is the event's time, whatever the record says",
    (prefix) => {
      const data = { id: "x_1", updated_at: 1_763_999_999_999 };
      expect(parse(`${prefix}.deleted`, data).version).toBe(1_763_900_000_000);
    },
  );
});

describe("a deletion", () => {
  test("of a role or a permission is taken as a DeletedObject and as the full record", () => {
    expect(parse("role.deleted", { object: "role", id: "role_1", slug: null, deleted: true }).record).toMatchObject({
      id: "role_1",
    });
    const full = parse("permission.deleted", { id: "perm_1", key: "org:posts:edit", name: "Edit", type: "user" });
    expect(full.record).toMatchObject({ id: "perm_1", fields: { key: "org:posts:edit" } });
  });

  test("of a membership says whose it was in what, and since when", () => {
    expect(recordEvent(fixtureBytes("organizationMembership.deleted")).record).toEqual({
      id: "orgmem_35rXbMeMbErShIp000000001",
      fields: {
        organization_id: "org_35rXaCmEoRgAnIzAtIoN0000001",
        user_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
        created_at: "2025-11-23T08:40:04.240Z",
        key: undefined,
      },
    });
  });

  test("that names nothing has no id", () => {
    expect(parse("organization.deleted", { object: "organization", deleted: true }).record.id).toBeNull();
  });
});

describe("what is read", () => {
  const fieldsOf = (type: string, data: object) => parse(type, { id: "x_1", ...data }).record.fields;

  test("a slug that is null or absent is no slug", () => {
    expect(fieldsOf("organization.created", { slug: null })).toMatchObject({ slug: null });
    expect(fieldsOf("organization.created", {})["slug"]).toBeUndefined();
  });

  test("keys of roles and permissions have their prefix, also where Clerk leaves it out", () => {
    const permissions = ["posts:edit", { key: "org:posts:publish" }, "org:posts:edit"];
    expect(fieldsOf("role.updated", { key: "editor", permissions })).toMatchObject({
      key: "org:editor",
      permissions: ["org:posts:edit", "org:posts:publish"],
    });
    expect(fieldsOf("permission.created", { key: "posts:edit" })).toEqual({ key: "org:posts:edit" });
  });

  test("a list of permissions with one that cannot be read is not known", () => {
    for (const odd of [7, null, { id: "perm_1" }, "", "org:x\0"]) {
      expect(fieldsOf("role.updated", { permissions: ["org:posts:edit", odd] })["permissions"]).toBeUndefined();
    }
    expect(fieldsOf("role.updated", { permissions: [] })["permissions"]).toEqual([]);
  });

  test("a role, a status or an id that would have to be changed to be stored is not known", () => {
    const membership = fieldsOf("organizationMembership.updated", { role: "org:admin\0" });
    expect(membership["role"]).toBeUndefined();
    const invitation = fieldsOf("organizationInvitation.created", {
      status: "pending\ud800",
      organization_id: "org_1\0",
    });
    expect([invitation["status"], invitation["organization_id"]]).toEqual([undefined, undefined]);
  });

  test("a membership has its organization as it was then; one that cannot be read is none", () => {
    const data = { id: "orgmem_1", organization: { id: "org_1", name: " Acme ", updated_at: 1_763_000_000_000 } };
    expect(parse("organizationMembership.created", data).record).toMatchObject({
      organization: { kind: "organization", id: "org_1", version: 1_763_000_000_000, fields: { name: "Acme" } },
    });
    for (const organization of [undefined, null, {}, { id: "org_1\0" }, "org_1"]) {
      expect(parse("organizationMembership.created", { id: "orgmem_1", organization }).record).toMatchObject({
        organization: null,
      });
    }
  });
});

test("any JSON in the place of any field is parsed or refused as malformed", () => {
  const types = fc.constantFrom(...fixtureNames().filter((name) => /^(organization|role|permission)/.test(name)));
  const names = ["id", "organization", "public_user_data", "role", "permissions", "key", "public_metadata", "slug"];
  const fields = fc.constantFrom(...names, "created_at", "updated_at", "expires_at", "email_address", "__proto__");
  fc.assert(
    fc.property(types, fc.jsonValue(), fc.dictionary(fields, fc.jsonValue()), (type, timestamp, data) => {
      for (const each of [data, { ...data, id: "x_1" }]) {
        let event: ClerkEvent | null = null;
        try {
          event = parseEvent(jsonBytes({ type, timestamp, data: each }), kinds);
        } catch (error) {
          if (!(error instanceof SyncError && error.code === "event_malformed")) throw error;
        }
        if (event !== null && "kind" in event) expect(Number.isSafeInteger(event.version)).toBe(true);
      }
    }),
  );
});
