import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { deletedEvent, userEvent } from "../support/clerk/build-event.ts";
import { expect, newClerkId, test } from "./system.ts";

test("a user is created, updated and deleted; every step shows in the queue, in users and in Auth", async ({
  system,
}) => {
  const id = newClerkId();
  const lastJob = async () => (await system.jobs(id)).at(-1);

  await test.step("create", async () => {
    const { status, body } = await system.send(
      userEvent("user.created", { id, version: 1, email: `${id}@example.com`.toLowerCase() }),
    );
    expect(status).toBe(202);
    expect(await lastJob()).toMatchObject({ id: body["jobId"], job_type: "USER_CREATED" });
    await system.settled(id);
    expect(await lastJob()).toMatchObject({
      status: "COMPLETED",
      processed_at: expect.any(Date),
      result: { mirror: { outcome: "created" } },
    });
    expect(await system.user(id)).toMatchObject({
      email: `${id}@example.com`.toLowerCase(),
      name: "Ada Lovelace",
      role: "user",
    });
    expect(await system.authUser(id)).toMatchObject({
      id: authUserIdOf(id),
      email: `${id}@example.com`.toLowerCase(),
      email_confirmed_at: expect.any(String),
      app_metadata: { clerk_id: id, role: "user" },
      user_metadata: { clerk_id: id, full_name: "Ada Lovelace", role: "user" },
    });
  });

  await test.step("update: name, role, and an email the Auth user is not known by", async () => {
    const event = userEvent("user.updated", {
      id,
      version: 2,
      email: `new.${id}@example.com`.toLowerCase(),
      lastName: "King",
      role: "admin",
    });
    expect(await system.send(event)).toMatchObject({ status: 202, body: { message: "User update job queued" } });
    await system.settled(id);
    expect(await lastJob()).toMatchObject({
      job_type: "USER_UPDATED",
      result: { applied: true, mirror: { outcome: "updated" } },
    });
    expect(await system.user(id)).toMatchObject({
      email: `new.${id}@example.com`.toLowerCase(),
      name: "Ada King",
      role: "admin",
    });
    expect(await system.authUser(id)).toMatchObject({
      email: `new.${id}@example.com`.toLowerCase(),
      app_metadata: { role: "admin" },
      user_metadata: { full_name: "Ada King", role: "admin" },
    });
  });

  await test.step("ban, and lift the ban", async () => {
    await system.send(userEvent("user.updated", { id, version: 3, banned: true }));
    await system.settled(id);
    expect(await system.authUser(id)).toMatchObject({ app_metadata: { banned: true } });
    await system.send(userEvent("user.updated", { id, version: 4, banned: false }));
    await system.settled(id);
    expect(await system.authUser(id)).toMatchObject({ app_metadata: { banned: false } });
    expect(await system.authUser(id)).toMatchObject({ banned_until: expect.stringMatching(/^21/) }); // locked, always
  });

  await test.step("delete", async () => {
    expect(await system.send(deletedEvent({ id, version: 5 }))).toMatchObject({
      status: 202,
      body: { message: "User deletion job queued" },
    });
    await system.settled(id);
    expect(await lastJob()).toMatchObject({
      job_type: "USER_DELETED",
      result: { applied: true, mirror: { outcome: "deleted" } },
    });
    expect(await system.user(id)).toBeUndefined();
    expect(await system.authUser(id)).toBeNull();
  });

  await test.step("a late update does not revive the user", async () => {
    await system.send(userEvent("user.updated", { id, version: 6 }));
    await system.settled(id);
    expect(await lastJob()).toMatchObject({ result: { applied: false, reason: "user_deleted" } });
    expect(await system.user(id)).toBeUndefined();
    expect(await system.authUser(id)).toBeNull();
  });
});
