import { at } from "./build-event.ts";
import { fixtureBytes } from "./clerk-fixture.ts";

function readFixture(name: string) {
  const { data, ...envelope } = JSON.parse(new TextDecoder().decode(fixtureBytes(name)));
  return { data, envelope };
}

const organizationFixture = readFixture("organization.created");
const membershipFixture = readFixture("organizationMembership.created");
const roleFixture = readFixture("role.created");
const invitationFixture = readFixture("organizationInvitation.created");

/** What a test says of an organization; everything else is that of the fixture organization.created.json. */
export type OrganizationFacts = {
  id: string;
  version: number;
  createdAt?: number;
  name?: string;
  slug?: string | null;
  metadata?: object;
};

/** An organization as Clerk shows it. */
export function organizationData({ id, version, createdAt = 0, ...facts }: OrganizationFacts) {
  return {
    ...organizationFixture.data,
    id,
    name: facts.name ?? `Organization ${id}`,
    slug: facts.slug === undefined ? id.toLowerCase().replaceAll("_", "-") : facts.slug,
    public_metadata: facts.metadata ?? {},
    private_metadata: { stripe_key: "sk_private_do_not_store" },
    created_at: at(createdAt),
    updated_at: at(version),
  };
}

export type MembershipFacts = {
  id: string;
  organization: string | OrganizationFacts;
  user: string;
  version: number;
  createdAt?: number;
  role?: string;
  metadata?: object;
};

/** A membership as Clerk shows it, with its organization. */
export function membershipData({ id, organization, user, version, createdAt = 0, role, metadata }: MembershipFacts) {
  const { data } = membershipFixture;
  return {
    ...data,
    id,
    organization: organizationData(typeof organization === "string" ? { id: organization, version: 0 } : organization),
    public_user_data: { ...data.public_user_data, user_id: user },
    role: role ?? "org:member",
    public_metadata: metadata ?? {},
    private_metadata: { stripe_key: "sk_private_do_not_store" },
    created_at: at(createdAt),
    updated_at: at(version),
  };
}

export type RoleFacts = { id: string; key: string; permissions?: readonly string[]; version: number; name?: string };

/** A role as Clerk shows it, with its permissions as objects. */
export function roleData({ id, key, permissions = [], version, name }: RoleFacts) {
  const [permission] = roleFixture.data.permissions;
  return {
    ...roleFixture.data,
    id,
    key,
    name: name ?? key,
    permissions: permissions.map((each) => ({ ...permission, id: `perm_${each}`, key: each, name: each })),
    created_at: at(0),
    updated_at: at(version),
  };
}

export type InvitationFacts = {
  id: string;
  organization: string;
  version: number;
  email?: string;
  status?: string;
  user?: string;
};

/** An invitation as Clerk shows it, with its url. */
export function invitationData({ id, organization, version, email, status = "pending", user }: InvitationFacts) {
  return {
    ...invitationFixture.data,
    id,
    organization_id: organization,
    email_address: email ?? `${id}@example.com`,
    status,
    ...(user === undefined ? {} : { user_id: user }),
    created_at: at(0),
    updated_at: at(version),
  };
}

/** An event of a record as Clerk sends it, at a time of its clock. */
export function recordEvent(type: string, version: number, data: object) {
  return { ...organizationFixture.envelope, type, timestamp: at(version), data };
}

/** The event of a deletion that says no more than the id: a DeletedObject. */
export function deletedRecordEvent(type: string, id: string, version: number) {
  return recordEvent(type, version, { object: type.split(".")[0], id, deleted: true });
}

/** Organization number `place` of a made-up instance, the ids in the order of creation. */
export function organizationIdOf(place: number): string {
  return `org_${String(place).padStart(7, "0")}`;
}

/** The first `count` organizations of a made-up instance, created one after the other. */
export function* makeOrganizations(count: number) {
  for (let place = 0; place < count; place++) {
    yield organizationData({ id: organizationIdOf(place), version: place, createdAt: place });
  }
}
