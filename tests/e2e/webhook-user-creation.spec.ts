import { readFile } from "node:fs/promises";
import { userEvent } from "../support/clerk/build-event.ts";
import { expect, newClerkId, test } from "./system.ts";

/** A fixture with an id, addresses and a phone number that nobody else has. */
async function fixture(name: string) {
  const event = JSON.parse(await readFile(new URL(`../fixtures/clerk/${name}.json`, import.meta.url), "utf8"));
  const id = newClerkId();
  for (const address of event.data.email_addresses ?? [])
    address.email_address = `${id}.${address.email_address}`.toLowerCase();
  for (const number of event.data.phone_numbers ?? [])
    number.phone_number = `+1${Date.now().toString().slice(-10).replace(/^[01]/, "2")}`;
  return { ...event, data: { ...event.data, id } };
}

test("a signed user.created becomes a row in users", async ({ system }) => {
  const id = newClerkId();
  const answer = await system.send(
    userEvent("user.created", { id, version: 1, email: `${id}@example.com`, role: "admin" }),
  );
  expect(answer).toEqual({
    status: 202,
    body: { success: true, message: "User creation job queued", jobId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
  });
  await system.settled(id);
  expect(await system.user(id)).toMatchObject({
    clerk_id: id,
    email: `${id}@example.com`,
    name: "Ada Lovelace",
    role: "admin",
  });
});

test("a user with only a phone becomes a row without email", async ({ system }) => {
  const event = await fixture("user.created.phone-only");
  expect((await system.send(event)).status).toBe(202);
  await system.settled(event.data.id);
  expect(await system.user(event.data.id)).toMatchObject({ email: null, name: null, role: "user" });
  expect(await system.authUser(event.data.id)).toMatchObject({
    email: "",
    phone: event.data.phone_numbers[0].phone_number.slice(1),
  });
});

test("a user who signed up with Google becomes a row", async ({ system }) => {
  const event = await fixture("user.created.oauth-google");
  expect((await system.send(event)).status).toBe(202);
  await system.settled(event.data.id);
  const primary = event.data.email_addresses.find(
    (address: { id: string }) => address.id === event.data.primary_email_address_id,
  );
  expect(await system.user(event.data.id)).toMatchObject({ email: primary.email_address });
});

test("an event of the form of Clerk's own sample, with seconds and no address, becomes a row", async ({ system }) => {
  const event = await fixture("openapi-sample.user.created.seconds-timestamp");
  Object.assign(event, { instance_id: "ins_of_this_test" });
  event.data.id = "user_withthesampleform000000000"; // the sample itself is recognised, and not stored
  expect((await system.send(event)).status).toBe(202);
  await system.settled(event.data.id);
  expect(await system.user(event.data.id)).toMatchObject({ email: null, name: "John Doe" });
});

test("a second create for the same user says that the user exists", async ({ system }) => {
  const event = userEvent("user.created", { id: newClerkId(), version: 1 });
  await system.send(event);
  await system.settled(event.data.id);
  const row = await system.user(event.data.id);
  expect(await system.send(event)).toEqual({
    status: 200,
    body: { message: "User already exists", user: { id: row?.["id"], clerk_id: event.data.id } },
  });
});

test("an event of another kind is accepted and stored nowhere", async ({ system }) => {
  const event = await fixture("session.created");
  expect(await system.send(event, "msg_session")).toEqual({
    status: 200,
    body: { success: true, message: "Event type not handled" },
  });
  expect(await system.query("select 1 from job_queue where event_id = 'msg_session'")).toEqual([]);
});

test("an unsigned request is refused and stored nowhere", async ({ request, system }) => {
  const event = userEvent("user.created", { id: newClerkId(), version: 1 });
  const response = await request.post(`${system.settings.url}/functions/v1/clerk-webhook`, { data: event });
  expect(response.status()).toBe(401);
  expect(await response.json()).toMatchObject({ error: "Invalid signature" });
  expect(await system.jobs(event.data.id)).toEqual([]);
});
