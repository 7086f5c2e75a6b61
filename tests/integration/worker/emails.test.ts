import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";
import { withSoftDeletion } from "../../support/mapping/contract-mapping.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterEach(() => queue.run()); // a user who lost an address has a job of its own, to tell the mirror
afterAll(() => queue?.drop());

async function emailOf(clerkId: string): Promise<unknown> {
  return (await queue.user(clerkId))?.email;
}

it("the newest claim takes an address, and the older holder is marked for a refresh", async () => {
  await queue.send(userEvent("user.created", { id: "user_a", version: 1, email: "shared@example.com" }));
  await queue.run();
  await queue.send(userEvent("user.created", { id: "user_b", version: 2, email: "shared@example.com" }));
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await emailOf("user_a")).toBeNull();
  expect(await emailOf("user_b")).toBe("shared@example.com");
  expect(await queue.state("user_a")).toMatchObject({ refresh_reason: "email_taken" });
  expect(await queue.state("user_b")).toMatchObject({ refresh_reason: null });
});

it("an older claim that arrives late does not take the address back", async () => {
  await queue.send(userEvent("user.created", { id: "user_new", version: 9, email: "late@example.com" }));
  await queue.run();
  await queue.send(userEvent("user.created", { id: "user_old", version: 3, email: "late@example.com" }), "msg_held");
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await emailOf("user_new")).toBe("late@example.com");
  expect(await emailOf("user_old")).toBeNull();
  expect(await queue.job("msg_held")).toMatchObject({ result: { applied: true, refresh: "email_held" } });
});

/** Two users with one primary address at Clerk; the version of the unverified claim is newer. */
const verifiedClaim = (id: string, email: string) => userEvent("user.created", { id, version: 1, email });
const unverifiedClaim = (id: string, email: string) =>
  userEvent("user.created", { id, version: 5, email, verified: false });

it.each([
  ["verified first", false, false],
  ["unverified first", true, false],
  ["both in one batch", false, true],
])(
  "an unverified claim takes no address from a verified user, however new it is (%s)",
  async (_, isTurned, isOneBatch) => {
    const name = `proof${isTurned ? 1 : 0}${isOneBatch ? 1 : 0}`;
    const email = `${name}@example.com`;
    const claims = [verifiedClaim(`user_${name}_owner`, email), unverifiedClaim(`user_${name}_typist`, email)];
    for (const claim of isTurned ? claims.reverse() : claims) {
      await queue.send(claim);
      if (!isOneBatch) await queue.run();
    }
    await queue.run();
    expect([await emailOf(`user_${name}_owner`), await emailOf(`user_${name}_typist`)]).toEqual([email, null]);
    expect(await queue.state(`user_${name}_owner`)).toMatchObject({ refresh_reason: null });
    expect(await queue.state(`user_${name}_typist`)).toMatchObject({
      refresh_reason: expect.stringMatching(/^email_(held|taken)$/),
      refresh_due_at: expect.any(Date),
      withheld_email: email,
    });
  },
);

it("of two unverified claims the newest holds the address", async () => {
  const email = "nobody.proved@example.com";
  await queue.send(unverifiedClaim("user_typed_new", email));
  await queue.run();
  await queue.send(userEvent("user.created", { id: "user_typed_old", version: 2, email, verified: false }));
  await queue.run();
  expect([await emailOf("user_typed_new"), await emailOf("user_typed_old")]).toEqual([email, null]);
});

it.each([
  [
    "takes another address",
    (id: string, _: string) => userEvent("user.updated", { id, version: 7, email: `${id}@example.com` }),
  ],
  [
    "is no longer verified",
    (id: string, email: string) => userEvent("user.updated", { id, version: 7, email, verified: false }),
  ],
  ["is deleted", (id: string, _: string) => deletedEvent({ id, version: 7 })],
])("when the holder %s, the user whose claim was withheld is read again", async (what, change) => {
  const name = what.replaceAll(" ", "_");
  const email = `${name}@example.com`;
  await queue.send(verifiedClaim(`user_${name}_owner`, email));
  await queue.send(unverifiedClaim(`user_${name}_typist`, email));
  await queue.run();
  await queue.pool.query("update clerk_sync.records set refresh_due_at = null");
  await queue.send(change(`user_${name}_owner`, email));
  await queue.run();
  expect(await queue.state(`user_${name}_typist`)).toMatchObject({
    refresh_reason: "email_free",
    refresh_due_at: expect.any(Date),
  });
});

it.each(["by the webhook", "by a worker"])(
  "an address that no index takes costs the address, not the row, and the job says so (%s)",
  async (how) => {
    const name = how.replaceAll(" ", "_");
    const event = userEvent("user.created", {
      id: `user_${name}`,
      version: 1,
      email: `${"x".repeat(3000)}@example.com`,
    });
    if (how === "by a worker") await queue.send(event, name);
    else await queue.pool.query("select public.clerk_sync_accept($1)", [JSON.stringify([toJob(event, name)])]);
    await queue.run();
    expect(await queue.user(`user_${name}`)).toMatchObject({ email: null, name: "Ada Lovelace" });
    expect(await queue.job(name)).toMatchObject({
      status: "COMPLETED",
      result: { applied: true, ignored_email: "too_long" },
    });
  },
);

it("an address of 320 characters is taken", async () => {
  const email = `${"x".repeat(64)}@${"y".repeat(251)}.com`;
  await queue.send(userEvent("user.created", { id: "user_longest", version: 1, email }));
  await queue.run();
  expect(await emailOf("user_longest")).toBe(email);
});

it.each([1, 250])("two users swap addresses, in batches of %i", async (limit) => {
  const [left, right] = [`user_left${limit}`, `user_right${limit}`];
  const [l, r] = [`left${limit}@example.com`, `right${limit}@example.com`];
  await queue.send(userEvent("user.created", { id: left, version: 1, email: l }));
  await queue.send(userEvent("user.created", { id: right, version: 1, email: r }));
  await queue.run();
  await queue.send(userEvent("user.updated", { id: left, version: 2, email: r }));
  await queue.send(userEvent("user.updated", { id: right, version: 2, email: l }));
  for (let round = 0; round < 2; round++) await queue.run({ limit });
  expect([await emailOf(left), await emailOf(right)]).toEqual([r, l]);
});

it("a chain of moves in one batch settles", async () => {
  const ids = ["user_c1", "user_c2", "user_c3"];
  for (const [place, id] of ids.entries()) {
    await queue.send(userEvent("user.created", { id, version: 1, email: `c${place}@example.com` }));
  }
  await queue.run();
  for (const [place, id] of ids.entries()) {
    await queue.send(userEvent("user.updated", { id, version: 2, email: `c${place + 1}@example.com` }));
  }
  expect(await queue.run()).toEqual(Array(3).fill("COMPLETED"));
  for (const [place, id] of ids.entries()) expect(await emailOf(id)).toBe(`c${place + 1}@example.com`);
});

it("two claims of one address in one batch: the newest holds it", async () => {
  await queue.send(userEvent("user.created", { id: "user_p", version: 5, email: "pair@example.com" }));
  await queue.send(userEvent("user.created", { id: "user_q", version: 4, email: "pair@example.com" }));
  expect(await queue.run()).toEqual(["COMPLETED", "COMPLETED"]);
  expect([await emailOf("user_p"), await emailOf("user_q")]).toEqual(["pair@example.com", null]);
});

it.each(["hard", "soft"] as const)(
  "a user who left (%s) and came back has the same address again",
  async (deleteMode) => {
    const email = `back.${deleteMode}@example.com`;
    await queue.send(userEvent("user.created", { id: `user_left_${deleteMode}`, version: 1, email }));
    await queue.send(deletedEvent({ id: `user_left_${deleteMode}`, version: 2 }));
    const leaveAndComeBack = async () => {
      await queue.run();
      await queue.run();
      await queue.send(userEvent("user.created", { id: `user_back_${deleteMode}`, version: 3, email }));
      expect(await queue.run()).toEqual(["COMPLETED"]);
    };
    if (deleteMode === "soft") await withSoftDeletion(queue.pool, leaveAndComeBack);
    else await leaveAndComeBack();
    expect(await emailOf(`user_back_${deleteMode}`)).toBe(email);
  },
);

it("a row without a Clerk id is linked to the user who has verified its address, and keeps its id", async () => {
  for (const email of ["konrad@example.com", "Alan@example.com"]) {
    await queue.pool.query(`insert into public.users (email, name, "updatedAt") values ($1, 'Before', now())`, [email]);
  }
  const before = await queue.one("select id from public.users where email = 'konrad@example.com'");
  await queue.send(userEvent("user.created", { id: "user_konrad", version: 1, email: "konrad@example.com" }));
  await queue.send(userEvent("user.created", { id: "user_alan", version: 1, email: "alan@example.com" }));
  expect(await queue.run()).toEqual(["COMPLETED", "COMPLETED"]);
  expect(await queue.user("user_konrad")).toMatchObject({ id: before?.id, name: "Ada Lovelace" });
  expect(await queue.user("user_alan")).toMatchObject({ email: "alan@example.com" });
});

it("a row without a Clerk id is not handed to somebody who only typed its address", async () => {
  await queue.pool.query(
    `insert into public.users (email, name, "updatedAt") values ('victim@example.com', 'Victim', now())`,
  );
  await queue.send(
    userEvent("user.created", { id: "user_thief", version: 1, email: "victim@example.com", verified: false }),
  );
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.one("select clerk_id, name from public.users where email = 'victim@example.com'")).toEqual({
    clerk_id: null,
    name: "Victim",
  });
  expect(await emailOf("user_thief")).toBeNull();
});

it("an address that only the owner's own constraint takes for the same costs the email, not the user", async () => {
  await queue.pool.query("create unique index own_email on public.users (lower(email))");
  await queue.send(userEvent("user.created", { id: "user_small", version: 1, email: "case@example.com" }));
  await queue.run();
  await queue.send(userEvent("user.created", { id: "user_large", version: 2, email: "Case@Example.com" }), "msg_large");
  await queue.send(userEvent("user.created", { id: "user_beside", version: 1 }), "msg_beside");
  expect(await queue.run()).toEqual(["COMPLETED", "COMPLETED"]);
  expect(await queue.user("user_large")).toMatchObject({ email: null, name: "Ada Lovelace" });
  expect(await queue.state("user_large")).toMatchObject({
    refresh_reason: "email_held",
    refresh_due_at: expect.any(Date),
  });
  expect(await queue.job("msg_large")).toMatchObject({ result: { applied: true, refresh: "email_held" } });
  expect(await queue.user("user_beside")).toMatchObject({ email: "user_beside@example.com" });
  await queue.pool.query("drop index public.own_email");
});

it("a unique constraint of the owner's on something else fails the job, and says so", async () => {
  await queue.pool.query("create unique index own_name on public.users (name) where name like 'Only%'");
  for (const id of ["user_one", "user_two"]) {
    await queue.send(userEvent("user.created", { id, version: 1, firstName: "Only" }), `msg_${id}`);
  }
  expect((await queue.run()).sort()).toEqual(["COMPLETED", "FAILED"]);
  await queue.pool.query("drop index public.own_name");
});
