import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  invitationData,
  makeOrganizations,
  membershipData,
  organizationData,
  organizationIdOf,
  roleData,
} from "../../tests/support/clerk/build-record-event.ts";
import { makeUser } from "../../tests/support/clerk/make-users.ts";
import { type ClerkStandIn, startClerkStandIn } from "./start-clerk-stand-in.ts";

let clerk: ClerkStandIn;
beforeAll(async () => {
  clerk = await startClerkStandIn();
});
afterAll(() => clerk?.stop());
beforeEach(() => {
  for (const store of [clerk.organizations, clerk.memberships, clerk.roles, clerk.invitations, clerk.users])
    store.clear();
});

type Body = {
  data: { id: string; organization?: { name?: string } }[];
  total_count: number;
  errors?: { code: string }[];
};

async function ask(path: string, version: string | null = "2026-05-12", of = clerk) {
  const headers = {
    authorization: `Bearer ${of.secretKey}`,
    ...(version === null ? {} : { "clerk-api-version": version }),
  };
  const response = await fetch(`${of.url}/v1${path}`, { headers });
  const text = await response.text();
  const body: Body | null = text.startsWith("{") ? JSON.parse(text) : null;
  return { status: response.status, ids: body?.data?.map(({ id }) => id), total: body?.total_count, body };
}

const join = (organization: number, user: string, createdAt = 0) =>
  clerk.memberships.set(
    `orgmem_${organization}_${user}`,
    membershipData({
      id: `orgmem_${organization}_${user}`,
      organization: organizationIdOf(organization),
      user,
      version: createdAt,
      createdAt,
    }),
  );

describe("a list", () => {
  it("has ten items without a limit, the newest first, and the count of all", async () => {
    clerk.organizations.fill(makeOrganizations(1200));
    const { ids, total } = await ask("/organizations");
    expect(ids).toEqual(Array.from({ length: 10 }, (_, place) => organizationIdOf(1199 - place)));
    expect(total).toBe(1200);
    expect((await ask("/organizations?limit=500")).ids).toHaveLength(500);
    expect((await ask("/organizations?limit=501")).ids).toHaveLength(10);
  });

  it("is walked by offset, and has no cursor", async () => {
    clerk.organizations.fill(makeOrganizations(5));
    const walk = (offset: number) => ask(`/organizations?limit=2&order_by=%2Bcreated_at&offset=${offset}`);
    expect((await walk(2)).ids).toEqual([organizationIdOf(2), organizationIdOf(3)]);
    expect((await walk(4)).ids).toEqual([organizationIdOf(4)]);
    expect(await walk(5)).toMatchObject({ ids: [], total: 5 });
    const ignored = `/organizations?limit=1&order_by=created_at&starting_after=${organizationIdOf(3)}`;
    expect((await ask(ignored)).ids).toEqual([organizationIdOf(0)]);
  });

  it("shifts when an item before the offset goes: the next page misses one", async () => {
    clerk.organizations.fill(makeOrganizations(4));
    const page = (offset: number) => ask(`/organizations?limit=2&order_by=%2Bcreated_at&offset=${offset}`);
    expect((await page(0)).ids).toEqual([organizationIdOf(0), organizationIdOf(1)]);
    clerk.organizations.delete(organizationIdOf(0));
    expect((await page(2)).ids).toEqual([organizationIdOf(3)]);
  });

  it.each(["limit=0", "limit=x", "offset=-1", "order_by=updated_at", "order_by=-"])(
    "with %s is refused",
    async (parameter) => {
      const { status, body } = await ask(`/organizations?${parameter}`);
      expect({ status, code: body?.errors?.[0]?.code }).toEqual({ status: 422, code: "form_param_value_invalid" });
    },
  );
});

describe("organizations", () => {
  it("are picked by id, with + or without, left out with -, at most 100 at a time; unknown ones are ignored", async () => {
    clerk.organizations.fill(makeOrganizations(5));
    const [one, two, three] = [1, 2, 3].map(organizationIdOf);
    const picked = await ask(
      `/organizations?order_by=created_at&organization_id=${one}&organization_id=%2B${three}&organization_id=org_x`,
    );
    expect(picked).toMatchObject({ ids: [one, three], total: 2 });
    expect((await ask(`/organizations?organization_id=-${two}`)).total).toBe(4);
    const many = Array.from({ length: 101 }, (_, place) => `organization_id=${organizationIdOf(place)}`).join("&");
    expect((await ask(`/organizations?${many}`)).status).toBe(422);
  });

  it("are picked by name, slug and members, ordered by name, and counted with their members when asked", async () => {
    clerk.organizations.fill(makeOrganizations(3));
    clerk.organizations.set(
      "org_b",
      organizationData({ id: "org_b", version: 9, createdAt: 9, name: "Acme", slug: null }),
    );
    join(1, "user_1");
    expect((await ask("/organizations?query=acm")).ids).toEqual(["org_b"]);
    expect((await ask("/organizations?order_by=name&limit=1")).ids).toEqual(["org_b"]);
    expect((await ask("/organizations?user_id=user_1")).ids).toEqual([organizationIdOf(1)]);
    expect((await ask(`/organizations/${organizationIdOf(1)}?include_members_count=true`)).body).toMatchObject({
      members_count: 1,
    });
  });

  it("are read one by one by id or slug; one that is gone is 404 in Clerk's form", async () => {
    clerk.organizations.fill(makeOrganizations(1));
    expect((await ask(`/organizations/${organizationIdOf(0)}`)).body).toMatchObject({ id: organizationIdOf(0) });
    expect((await ask("/organizations/org-0000000")).body).toMatchObject({ id: organizationIdOf(0) });
    for (const path of [
      "/organizations/org_gone",
      "/organizations/org_gone/memberships",
      "/users/user_gone/organization_memberships",
    ]) {
      expect(await ask(path)).toMatchObject({ status: 404, body: { errors: [{ code: "resource_not_found" }] } });
    }
  });
});

describe("memberships", () => {
  it("are listed of the instance, of an organization and of a user, each with its organization as it is now", async () => {
    clerk.organizations.fill(makeOrganizations(2));
    clerk.users.set("user_1", { ...makeUser(1), id: "user_1" });
    join(0, "user_1", 1);
    join(1, "user_1", 2);
    join(1, "user_2", 3);
    clerk.organizations.set(
      organizationIdOf(1),
      organizationData({ id: organizationIdOf(1), version: 9, name: "New name" }),
    );
    const order = "?order_by=%2Bcreated_at";
    const all = await ask(`/organization_memberships${order}`);
    expect(all).toMatchObject({ ids: ["orgmem_0_user_1", "orgmem_1_user_1", "orgmem_1_user_2"], total: 3 });
    expect(all.body?.data.map(({ organization }) => organization?.name)[2]).toBe("New name");
    const ofOrganization = `/organizations/${organizationIdOf(1)}/memberships${order}`;
    expect((await ask(ofOrganization)).ids).toEqual(["orgmem_1_user_1", "orgmem_1_user_2"]);
    expect(await ask(`${ofOrganization}&user_id=user_2&user_id=user_9`)).toMatchObject({
      ids: ["orgmem_1_user_2"],
      total: 1,
    });
    expect((await ask(`${ofOrganization}&role=org:admin`)).ids).toEqual([]);
    expect((await ask(`/users/user_1/organization_memberships${order}`)).ids).toEqual([
      "orgmem_0_user_1",
      "orgmem_1_user_1",
    ]);
  });

  it("end with their organization and with their user, and not when these change", async () => {
    clerk.organizations.fill(makeOrganizations(2));
    clerk.users.set("user_1", { ...makeUser(1), id: "user_1" });
    join(0, "user_1", 1);
    join(0, "user_2", 2);
    join(1, "user_1", 3);
    clerk.invitations.set(
      "orginv_1",
      invitationData({ id: "orginv_1", organization: organizationIdOf(0), version: 1 }),
    );
    clerk.users.set("user_1", { ...makeUser(2), id: "user_1" });
    clerk.organizations.set(organizationIdOf(0), organizationData({ id: organizationIdOf(0), version: 9 }));
    expect((await ask("/organization_memberships")).total).toBe(3);
    clerk.organizations.delete(organizationIdOf(0));
    expect(await ask("/organization_memberships")).toMatchObject({ ids: ["orgmem_1_user_1"] });
    expect((await ask("/organization_invitations")).total).toBe(0);
    clerk.users.delete("user_1");
    expect((await ask("/organization_memberships")).total).toBe(0);
  });
});

describe("roles", () => {
  it("are there in recent versions of the API, and not in two older ones, nor without a version", async () => {
    clerk.roles.set("role_1", roleData({ id: "role_1", key: "org:admin", version: 1 }));
    for (const version of ["2024-10-01", "2025-04-10", "2026-05-12"]) {
      expect((await ask("/organization_roles", version)).ids).toEqual(["role_1"]);
    }
    for (const version of ["2021-02-05", "2025-03-12", null]) {
      for (const path of ["/organization_roles", "/organization_roles/role_1", "/organization_permissions"]) {
        expect(await ask(path, version)).toMatchObject({ status: 404, body: null });
      }
    }
    expect((await ask("/organization_roles/role_1")).body).toMatchObject({ key: "org:admin" });
    expect((await ask("/organization_roles/role_2")).status).toBe(404);
  });
});

it("invitations are listed by status", async () => {
  for (const [id, status] of [
    ["orginv_1", "pending"],
    ["orginv_2", "accepted"],
  ] as const) {
    clerk.invitations.set(id, invitationData({ id, organization: "org_1", version: 1, status }));
  }
  expect((await ask("/organization_invitations?status=accepted")).ids).toEqual(["orginv_2"]);
  expect((await ask("/organization_invitations")).total).toBe(2);
});

it("an instance without organizations answers 403 to all of their routes, and its settings say so", async () => {
  const without = await startClerkStandIn({ hasOrganizations: false });
  for (const path of ["/organizations", "/organizations/org_1", "/organization_memberships", "/organization_roles"]) {
    expect((await ask(path, "2026-05-12", without)).status).toBe(403);
  }
  expect((await ask("/instance/organization_settings", "2026-05-12", without)).body).toMatchObject({ enabled: false });
  expect((await ask("/users/count", "2026-05-12", without)).status).toBe(200);
  await without.stop();
});
