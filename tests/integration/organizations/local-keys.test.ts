import { afterEach, beforeEach, expect, it } from "vitest";
import { membership, organization, user, userDeleted } from "../../support/clerk/kind-events.ts";
import { createKindQueue, type KindQueue } from "../../support/database/kind-queue.ts";

let queue: KindQueue;
beforeEach(async () => {
  queue = await createKindQueue(
    {
      organizations: true,
      memberships: {
        table: "public.members",
        columns: { organization_id: "organization", profile: { from: "user", as: "id" }, role: "role" },
      },
    },
    `create table public.members (
       id text primary key, organization_id text, profile uuid not null, role text, unique (organization_id, profile)
     )`,
  );
});
afterEach(() => queue?.drop());

const pair = ["org_a", "user_a"] as const;
const members = () =>
  queue.rows("select m.id, u.clerk_id from public.members as m join public.users as u on u.id = m.profile");

it("a membership whose column holds the id of the user's row is written when the row is there", async () => {
  await queue.accept(user("user_a", 0), organization("org_a", 0));
  expect(await queue.accept(membership("orgmem_1", pair, 2))).toEqual(["all"]);
  expect(await members()).toEqual([{ id: "orgmem_1", clerk_id: "user_a" }]);
});

it("a membership that comes before its user waits, and the user's event wakes it", async () => {
  await queue.accept({ ...membership("orgmem_1", pair, 2), event_id: "early" });
  await queue.run();
  expect(await queue.job("early")).toMatchObject({ status: "PENDING", waits_for: "user", attempts: 0 });
  await queue.accept(user("user_a", 3));
  expect(await queue.job("early")).toMatchObject({ status: "PENDING", waits_for: null });
  await queue.run();
  expect(await members()).toEqual([{ id: "orgmem_1", clerk_id: "user_a" }]);
  expect(await queue.job("early")).toMatchObject({ status: "COMPLETED", attempts: 1 });
});

it("a membership whose user is deleted before the row was ever there waits no longer", async () => {
  await queue.accept({ ...membership("orgmem_1", pair, 2), event_id: "early" });
  await queue.run();
  await queue.accept(userDeleted("user_a", 5));
  await queue.run();
  await queue.run();
  expect(await queue.job("early")).toMatchObject({
    status: "COMPLETED",
    result: { applied: false, reason: "user_deleted" },
  });
});
