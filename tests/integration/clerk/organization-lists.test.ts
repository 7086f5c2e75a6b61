import { afterAll, beforeAll, expect, it } from "vitest";
import { createClerkRecordsApi } from "#core/clerk/clerk-records-api.ts";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import {
  invitationData,
  makeOrganizations,
  membershipData,
  organizationIdOf,
  roleData,
} from "../../support/clerk/build-record-event.ts";
import { makeUser } from "../../support/clerk/make-users.ts";

let clerk: ClerkStandIn;
beforeAll(async () => {
  clerk = await startClerkStandIn();
  clerk.organizations.fill(makeOrganizations(120));
  clerk.users.set("user_1", { ...makeUser(1), id: "user_1" });
  for (let place = 0; place < 120; place++) {
    const id = `orgmem_${place}`;
    const facts = { id, organization: organizationIdOf(place), user: "user_1", version: place, createdAt: place };
    clerk.memberships.set(id, membershipData(facts));
  }
  clerk.roles.set("role_1", roleData({ id: "role_1", key: "org:admin", permissions: ["org:posts:edit"], version: 3 }));
  clerk.invitations.set("orginv_1", invitationData({ id: "orginv_1", organization: organizationIdOf(1), version: 1 }));
});
afterAll(() => clerk?.stop());

const api = () => createClerkRecordsApi({ secretKey: clerk.secretKey, apiUrl: clerk.url });
const idsOf = (page: { records: { id: string }[] } | null) => page?.records.map(({ id }) => id);

it("organizations are listed by offset and counted", async () => {
  const page = await api().listOrganizations({ offset: 118, limit: 50 });
  expect(page).toMatchObject({ length: 2, total: 120, unreadable: [] });
  expect(idsOf(page)).toEqual([organizationIdOf(118), organizationIdOf(119)]);
  expect(await api().countOrganizations()).toBe(120);
});

it("a hundred organizations are read at once, and those that are gone are not among them", async () => {
  const asked = Array.from({ length: 100 }, (_, place) => organizationIdOf(place + 100));
  expect(idsOf(await api().readOrganizations(asked))).toEqual(asked.slice(0, 20));
});

it("one organization is read, and one that is gone is deleted", async () => {
  const id = organizationIdOf(7);
  expect(await api().readOrganization(id)).toMatchObject({
    deleted: false,
    record: { id, fields: { slug: "org-0000007" } },
  });
  expect(await api().readOrganization("org_gone")).toEqual({ deleted: true });
});

it("memberships are listed of the instance, of an organization and of a user", async () => {
  expect(await api().listMemberships({ offset: 0, limit: 500 })).toMatchObject({ length: 120, total: 120 });
  expect(await api().countMemberships()).toBe(120);
  const range = { offset: 0, limit: 500 };
  expect(idsOf(await api().listMembershipsOf(organizationIdOf(7), range))).toEqual(["orgmem_7"]);
  expect((await api().listMembershipsOfUser("user_1", range))?.total).toBe(120);
  expect(idsOf(await api().readMembershipsOf(organizationIdOf(7), ["user_1", "user_2"]))).toEqual(["orgmem_7"]);
  expect(idsOf(await api().readMembershipsOf(organizationIdOf(7), ["user_2"]))).toEqual([]);
  expect(await api().readMembershipsOf("org_gone", ["user_1"])).toBeNull();
});

it("roles and invitations are read", async () => {
  const range = { offset: 0, limit: 500 };
  expect((await api().listRoles(range)).records).toMatchObject([
    { id: "role_1", fields: { permissions: ["org:posts:edit"] } },
  ]);
  expect(await api().readRole("role_1")).toMatchObject({ deleted: false });
  expect(await api().readRole("role_2")).toEqual({ deleted: true });
  expect(idsOf(await api().listInvitations(range))).toEqual(["orginv_1"]);
});

it("an instance without organizations is no instance whose organizations are all deleted", async () => {
  const without = await startClerkStandIn({ hasOrganizations: false });
  const off = createClerkRecordsApi({ secretKey: without.secretKey, apiUrl: without.url });
  await expect(off.listOrganizations({ offset: 0, limit: 1 })).rejects.toMatchObject({ code: "clerk_unauthorized" });
  await expect(off.readOrganization("org_1")).rejects.toMatchObject({ retryable: true });
  await without.stop();
});
