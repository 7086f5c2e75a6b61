import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  membership,
  membershipDeleted,
  organization,
  organizationDeleted,
  role,
  user,
  userDeleted,
} from "../../support/clerk/kind-events.ts";
import { createKindQueue, type KindEvent, type KindQueue } from "../../support/database/kind-queue.ts";

let queue: KindQueue;
beforeEach(async () => {
  queue = await createKindQueue();
});
afterEach(() => queue?.drop());

const pair = ["org_a", "user_a"] as const;
const here = () => queue.accept(user("user_a", 0), organization("org_a", 0));

describe("when nothing stands in the way", () => {
  it("an organization, its user and the membership are in their rows when the call returns", async () => {
    await here();
    expect(await queue.accept(membership("orgmem_1", pair, 2))).toEqual(["all"]);
    expect(await queue.rows("select * from public.organization_memberships")).toMatchObject([
      { id: "orgmem_1", organization_id: "org_a", user_id: "user_a", role: "org:member" },
    ]);
  });

  it("all three of one call are written together", async () => {
    const applied = await queue.accept(membership("orgmem_1", pair, 2), user("user_a", 0), organization("org_a", 0));
    expect(applied).toEqual(["all", "all", "all"]);
    expect(await queue.members()).toEqual(["orgmem_1"]);
  });

  it("demotion and promotion end with the newest, in any order", async () => {
    await here();
    await queue.accept(membership("orgmem_1", pair, 5, { role: "org:admin" }));
    await queue.accept(membership("orgmem_1", pair, 3, { role: "org:member" }));
    await queue.run();
    expect(await queue.rows("select role from public.organization_memberships")).toEqual([{ role: "org:admin" }]);
    await queue.accept(membership("orgmem_1", pair, 7, { role: "org:member" }));
    expect(await queue.rows("select role from public.organization_memberships")).toEqual([{ role: "org:member" }]);
  });

  it("a role holds its permissions, and follows its key", async () => {
    expect(await queue.accept(role("role_1", "org:admin", 1, ["org:teams:read"]))).toEqual(["all"]);
    await queue.accept(role("role_1", "org:boss", 2, ["org:teams:read", "org:teams:write"]));
    expect(await queue.rows("select key, id, permissions from public.organization_roles")).toEqual([
      { key: "org:boss", id: "role_1", permissions: ["org:teams:read", "org:teams:write"] },
    ]);
  });
});

describe("a membership that comes before its organization or its user", () => {
  it("brings its organization along", async () => {
    await queue.accept(user("user_a", 0));
    expect(await queue.accept(membership("orgmem_1", pair, 2))).toEqual(["all"]);
    expect(await queue.rows("select id, name from public.organizations")).toEqual([
      { id: "org_a", name: "Name of org_a" },
    ]);
  });

  it("has its row before the user has one", async () => {
    expect(await queue.accept(membership("orgmem_1", pair, 2))).toEqual(["no"]);
    expect(await queue.run()).toEqual(["COMPLETED"]);
    expect(await queue.members()).toEqual(["orgmem_1"]);
    expect(await queue.accept(user("user_a", 3))).toEqual(["all"]);
  });

  it("does not set back an organization that is newer here", async () => {
    await queue.accept(user("user_a", 0), organization("org_a", 9, { name: "Newest" }));
    await queue.accept(membership("orgmem_1", pair, 10, { org: 4 }));
    expect(await queue.rows("select name from public.organizations")).toEqual([{ name: "Newest" }]);
  });

  it("does not revive its deleted organization, and stays out", async () => {
    await here();
    await queue.accept(organizationDeleted("org_a", 5));
    await queue.run();
    await queue.accept({ ...membership("orgmem_1", pair, 9, { org: 8 }), event_id: "late" });
    await queue.run();
    expect(await queue.rows("select id from public.organizations")).toEqual([]);
    expect(await queue.members()).toEqual([]);
    expect(await queue.job("late")).toMatchObject({
      status: "COMPLETED",
      result: { applied: false, reason: "organization_deleted" },
    });
  });
});

describe("a member who leaves and joins again", () => {
  const first = membership("orgmem_1", pair, 2, { made: 1 });
  const left = membershipDeleted("orgmem_1", pair, 6, 1);
  const second = membership("orgmem_2", pair, 8, { made: 7, role: "org:admin" });
  const late = membership("orgmem_1", pair, 4, { made: 1 });
  const orders: Record<string, KindEvent[]> = {
    "in order": [first, late, left, second],
    "the new one before the old one's deletion": [first, second, left, late],
    "the new one first of all": [second, first, left],
    "the old one last": [second, left, late, first],
    "without the old one's deletion": [first, second, late],
  };

  it.each(Object.entries(orders))("has the new membership, %s", async (_, events) => {
    await here();
    for (const event of events) {
      await queue.accept(event);
      await queue.run();
    }
    expect(await queue.rows("select id, role from public.organization_memberships")).toEqual([
      { id: "orgmem_2", role: "org:admin" },
    ]);
  });

  it.each(Object.entries(orders))("has the new membership in one batch, %s", async (_, events) => {
    await here();
    await queue.enqueue(...events);
    await queue.run();
    expect(await queue.members()).toEqual(["orgmem_2"]);
  });

  it("stays away when the new membership was deleted before the old one is heard of", async () => {
    await here();
    await queue.accept(membershipDeleted("orgmem_2", pair, 9, 7));
    await queue.run();
    await queue.accept({ ...first, event_id: "old" });
    await queue.run();
    expect(await queue.members()).toEqual([]);
    expect(await queue.job("old")).toMatchObject({ result: { applied: false, reason: "replaced" } });
  });
});

describe("what ends with its organization or user", () => {
  it("memberships end with their organization, and with their user", async () => {
    await here();
    await queue.accept(user("user_b", 0), organization("org_b", 0));
    await queue.accept(membership("orgmem_1", pair, 2), membership("orgmem_2", ["org_b", "user_a"], 2));
    await queue.accept(membership("orgmem_3", ["org_b", "user_b"], 2));
    await queue.accept(organizationDeleted("org_a", 5));
    await queue.run();
    expect(await queue.members()).toEqual(["orgmem_2", "orgmem_3"]);
    await queue.accept(userDeleted("user_b", 5));
    await queue.run();
    expect(await queue.members()).toEqual(["orgmem_2"]);
  });

  it("a late membership of a deleted user stays out", async () => {
    await here();
    await queue.accept(userDeleted("user_a", 5));
    await queue.run();
    await queue.accept({ ...membership("orgmem_1", pair, 9), event_id: "late" });
    await queue.run();
    expect(await queue.members()).toEqual([]);
    expect(await queue.job("late")).toMatchObject({ result: { applied: false, reason: "user_deleted" } });
  });

  it("a restored organization asks for a read of its memberships, and takes them again", async () => {
    await here();
    await queue.accept(membership("orgmem_1", pair, 2));
    await queue.accept(organizationDeleted("org_a", 5));
    await queue.run();
    const read_at = new Date(Date.now() + 1000).toISOString();
    await queue.enqueue({ ...organization("org_a", 6), read_at, source: "reconcile" });
    await queue.run();
    expect(await queue.rows("select id from public.organizations")).toEqual([{ id: "org_a" }]);
    expect(await queue.members()).toEqual([]);
    expect(await queue.rows("select clerk_id, status from public.job_queue where source = 'members'")).toEqual([
      { clerk_id: "org_a", status: "PENDING" },
    ]);
    await queue.accept({ ...membership("orgmem_1", pair, 2), read_at, source: "reconcile" });
    await queue.run();
    expect(await queue.members()).toEqual(["orgmem_1"]);
  });
});
