import { describe, expect, test } from "vitest";
import { fixtureBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { createClerkRecordsApi } from "./clerk-records-api.ts";

const { data: membership } = JSON.parse(new TextDecoder().decode(fixtureBytes("organizationMembership.created")));
const { data: role } = JSON.parse(new TextDecoder().decode(fixtureBytes("role.created")));
const { organization } = membership;
const organizationId: string = organization.id;
const userId: string = membership.public_user_data.user_id;

type Answer = { status?: number; body: unknown };
const list = (data: unknown[], total_count = data.length): Answer => ({ body: { data, total_count } });
const missing: Answer = { status: 404, body: { errors: [{ code: "resource_not_found" }] } };

/** A client that gets these answers one after the other; the paths it asked for, and its last headers. */
function clientOver(...answers: Answer[]) {
  const paths: string[] = [];
  const headers: unknown[] = [];
  const api = createClerkRecordsApi({
    secretKey: "sk_test_secret",
    apiUrl: "http://clerk.test",
    fetch: async (url, init) => {
      paths.push(String(url).replace("http://clerk.test/v1", ""));
      headers.push(init?.headers);
      const { status = 200, body } = answers[Math.min(paths.length, answers.length) - 1] ?? { body: null };
      return Response.json(body, { status });
    },
  });
  return { api, paths, headers };
}

test("lists are asked for by offset, the oldest first, the plus as %2B", async () => {
  const { api, paths } = clientOver(list([]));
  const range = { offset: 450, limit: 500 };
  await api.listOrganizations(range);
  await api.listMemberships(range);
  await api.listMembershipsOf("org_1", range);
  await api.listMembershipsOfUser("user_1", range);
  await api.listRoles(range);
  await api.listInvitations(range);
  const query = "limit=500&offset=450&order_by=%2Bcreated_at";
  expect(paths).toEqual([
    `/organizations?${query}`,
    `/organization_memberships?${query}`,
    `/organizations/org_1/memberships?${query}`,
    `/users/user_1/organization_memberships?${query}`,
    `/organization_roles?${query}`,
    `/organization_invitations?${query}`,
  ]);
});

test("requests name an API version that has the lists of roles", async () => {
  const { api, headers } = clientOver(list([]));
  await api.listRoles({ offset: 0, limit: 500 });
  expect(headers).toMatchObject([{ "clerk-api-version": "2026-05-12", authorization: "Bearer sk_test_secret" }]);
});

test("known ids are asked for in one request", async () => {
  const { api, paths } = clientOver(list([organization]), list([membership]));
  await api.readOrganizations([organizationId, "org_gone"]);
  await api.readMembershipsOf(organizationId, [userId, "user_2"]);
  expect(paths).toEqual([
    `/organizations?limit=2&offset=0&order_by=%2Bcreated_at&organization_id=${organizationId}&organization_id=org_gone`,
    `/organizations/${organizationId}/memberships?limit=2&offset=0&order_by=%2Bcreated_at&user_id=${userId}&user_id=user_2`,
  ]);
});

test("a count is read of a list of one", async () => {
  const { api, paths } = clientOver(list([organization], 312));
  expect([await api.countOrganizations(), await api.countMemberships()]).toEqual([312, 312]);
  expect(paths.map((path) => path.split("&")[0])).toEqual([
    "/organizations?limit=1",
    "/organization_memberships?limit=1",
  ]);
});

describe("a page", () => {
  test("has its records with their versions, how long it is, and how long the list is", async () => {
    const { api } = clientOver(list([membership, membership], 7));
    expect(await api.listMemberships({ offset: 0, limit: 500 })).toMatchObject({
      records: [
        {
          kind: "membership",
          id: membership.id,
          version: membership.updated_at,
          createdAt: membership.created_at,
          fields: { organization_id: organizationId, user_id: userId, role: "org:admin" },
          organization: { id: organizationId, version: organization.updated_at },
        },
      ],
      length: 2,
      total: 7,
    });
  });

  test("names what cannot be read, and that costs the others nothing", async () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100; level++) deep = [deep];
    const odd = { ...organization, id: "org_deep", public_metadata: deep };
    const { api } = clientOver(list([odd, organization, null, { id: "org_1\0" }]));
    const page = await api.listOrganizations({ offset: 0, limit: 500 });
    expect(page.records.map(({ id }) => id)).toEqual([organizationId]);
    expect(page.unreadable).toEqual(["org_deep", "unknown", "unknown"]);
  });

  test("has no private metadata", async () => {
    const { api } = clientOver(list([{ ...membership, private_metadata: { secret: 1 } }]));
    expect(JSON.stringify(await api.listMemberships({ offset: 0, limit: 1 }))).not.toContain("secret");
  });

  test.each([[[]], [{ data: [] }], [{ data: {}, total_count: 1 }], [{ data: [], total_count: "1" }], [null]])(
    "%j is none",
    async (body) => {
      await expect(clientOver({ body }).api.listRoles({ offset: 0, limit: 1 })).rejects.toMatchObject({
        code: "clerk_unavailable",
      });
    },
  );
});

describe("an organization", () => {
  test("is read as it is now", async () => {
    const { api, paths } = clientOver({ body: organization });
    expect(await api.readOrganization(organizationId)).toMatchObject({
      deleted: false,
      record: { id: organizationId, version: organization.updated_at, fields: { slug: "acme-inc" } },
    });
    expect(paths).toEqual([`/organizations/${organizationId}`]);
  });

  test("is deleted when Clerk says that it is not there", async () => {
    expect(await clientOver(missing).api.readOrganization("org_gone")).toEqual({ deleted: true });
  });

  test("whose slug is the id that was asked for is not believed", async () => {
    await expect(clientOver({ body: organization }).api.readOrganization("acme-inc")).rejects.toMatchObject({
      code: "clerk_unavailable",
    });
  });

  test("of dots is not asked for", async () => {
    const { api, paths } = clientOver(missing);
    await expect(api.readOrganization("..")).rejects.toMatchObject({ code: "clerk_rejected" });
    await api.readOrganization("../users");
    expect(paths).toEqual(["/organizations/..%2Fusers"]);
  });
});

describe("who is not in a list", () => {
  test("of a filter that was not heeded may yet be there: the list is not believed", async () => {
    const { api } = clientOver(list([organization]), list([membership]));
    await expect(api.readOrganizations(["org_1"])).rejects.toMatchObject({ code: "clerk_unavailable" });
    await expect(api.readMembershipsOf(organizationId, ["user_1"])).rejects.toMatchObject({
      code: "clerk_unavailable",
    });
    await expect(api.listMembershipsOf("org_1", { offset: 0, limit: 1 })).rejects.toMatchObject({ retryable: true });
    await expect(api.listMembershipsOfUser("user_1", { offset: 0, limit: 1 })).rejects.toMatchObject({
      retryable: true,
    });
  });

  test("is told from an organization or a user that is gone", async () => {
    const { api } = clientOver(missing);
    expect(await api.readMembershipsOf("org_gone", ["user_1"])).toBeNull();
    expect(await api.listMembershipsOf("org_gone", { offset: 0, limit: 1 })).toBeNull();
    expect(await api.listMembershipsOfUser("user_gone", { offset: 0, limit: 1 })).toBeNull();
  });

  test("is told from a list that is said not to exist, which is an outage", async () => {
    const { api } = clientOver(missing);
    const range = { offset: 0, limit: 1 };
    const asked = [
      api.listOrganizations(range),
      api.listMemberships(range),
      api.listRoles(range),
      api.countMemberships(),
    ];
    for (const answer of asked) await expect(answer).rejects.toMatchObject({ code: "clerk_unavailable" });
  });
});

test("an id that Clerk refuses costs the others of its batch nothing", async () => {
  const asked: string[][] = [];
  const api = createClerkRecordsApi({
    secretKey: "sk_test_secret",
    fetch: async (url) => {
      const ids = new URL(String(url)).searchParams.getAll("organization_id");
      asked.push(ids);
      if (ids.includes("odd"))
        return Response.json({ errors: [{ code: "form_param_value_invalid" }] }, { status: 422 });
      return Response.json({ data: ids.map((id) => ({ ...organization, id })), total_count: ids.length });
    },
  });
  const page = await api.readOrganizations(["org_a", "org_b", "odd", "org_c"]);
  expect(page.records.map(({ id }) => id)).toEqual(["org_a", "org_b", "org_c"]);
  expect(page.unreadable).toEqual(["odd"]);
  expect(asked).toHaveLength(5);
});

test("a role is read as it is now, and is deleted when Clerk says that it is not there", async () => {
  const { api, paths } = clientOver({ body: role }, missing);
  expect(await api.readRole(role.id)).toMatchObject({
    deleted: false,
    record: { id: role.id, fields: { key: "org:editor" } },
  });
  expect(await api.readRole("role_gone")).toEqual({ deleted: true });
  expect(paths).toEqual([`/organization_roles/${role.id}`, "/organization_roles/role_gone"]);
});

test("403 says that organizations may be off, and with which of Clerk's codes", async () => {
  const off = { status: 403, body: { errors: [{ code: "organization_not_enabled_in_instance" }] } };
  await expect(clientOver(off).api.listOrganizations({ offset: 0, limit: 1 })).rejects.toMatchObject({
    code: "clerk_unauthorized",
    message: expect.stringMatching(/organization_not_enabled_in_instance.*whether organizations are on/),
  });
});
