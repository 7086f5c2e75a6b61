import { waitForUser } from "#core/ensure-user/wait-for-user.ts";
import { deletedEvent, userEvent } from "../support/clerk/build-event.ts";
import {
  authorizedParty,
  type ClerkInstance,
  type ClerkInstancePlace,
  startClerkInstance,
} from "../support/clerk/clerk-instance.ts";
import { expect, newClerkId, type System, test } from "./system.ts";

const place = process.env["CLERK_SYNC_INSTANCE"];
test.skip(place === undefined, "the system under test does not belong to a Clerk instance of ours");

let clerk: ClerkInstance;
test.beforeAll(async () => {
  clerk = await startClerkInstance(JSON.parse(place ?? "{}") as ClerkInstancePlace);
});
test.afterAll(() => clerk?.stop());

/** Signs up at Clerk; the event of it is sent by the test, when it wants. */
function signUp(id: string, version = 1) {
  const event = userEvent("user.created", { id, version });
  clerk.users.set(id, event.data as { id: string; updated_at: number });
  return event;
}

const tokenOf = (id: string) => clerk.tokens.sign({ sub: id, azp: authorizedParty });
const urlOf = (system: System) => `${system.settings.url}/functions/v1/ensure-user`;
const ensure = (system: System, id: string) => waitForUser({ url: urlOf(system), getToken: () => tokenOf(id) });

test("a user who has just signed up has a row before the webhook, and the webhook finds it", async ({ system }) => {
  const id = newClerkId();
  const event = signUp(id);
  const row = await ensure(system, id);
  expect(row).toMatchObject({ clerk_id: id, email: `${id.toLowerCase()}@example.com`, role: "user" });
  expect(await system.send(event)).toEqual({
    status: 200,
    body: { message: "User already exists", user: { id: row.id, clerk_id: id } },
  });
  await system.settled(id);
  expect(await system.authUser(id)).toMatchObject({ app_metadata: { clerk_id: id } });
  expect((await system.jobs(id)).map((job) => job["source"])).toEqual(["ensure", "ensure"]);
});

test("a user whose webhook came first gets that row, and Clerk is not asked", async ({ system }) => {
  const id = newClerkId();
  await system.send(signUp(id));
  await system.settled(id);
  const asked = clerk.requests.length;
  expect((await ensure(system, id)).id).toBe((await system.user(id))?.["id"]);
  expect(clerk.requests.length).toBe(asked);
});

test("a user whose webhook comes at the same moment has one row and one Auth user, at the newest version", async ({
  system,
}) => {
  const id = newClerkId();
  const created = signUp(id);
  const updated = userEvent("user.updated", { id, version: 2, firstName: "Grace" });
  const [row] = await Promise.all([ensure(system, id), system.send(created), system.send(updated)]);
  await system.settled(id);
  expect(await system.query("select id, name from users where clerk_id = $1", [id])).toEqual([
    { id: row.id, name: "Grace Lovelace" },
  ]);
  expect(await system.authUser(id)).toMatchObject({ user_metadata: { full_name: "Grace Lovelace" } });
});

test("a user who was deleted gets no row, although the session token is still valid", async ({ system }) => {
  const id = newClerkId();
  signUp(id);
  await ensure(system, id);
  clerk.users.delete(id);
  await system.send(deletedEvent({ id, version: 2 }));
  await system.settled(id);
  await expect(ensure(system, id)).rejects.toMatchObject({ code: "user_deleted" });
  expect(await system.user(id)).toBeUndefined();
});

test("a page of the app may call it, a page of somebody else may not", async ({ system, request }) => {
  const preflight = async (origin: string) => {
    const headers = { origin, "access-control-request-method": "POST" };
    const response = await request.fetch(urlOf(system), { method: "OPTIONS", headers });
    return response.headers()["access-control-allow-origin"];
  };
  expect(await preflight(authorizedParty)).toBe(authorizedParty);
  expect(await preflight("https://evil.example.com")).toBeUndefined();
});

test("without a session token there is no row", async ({ system, request }) => {
  const response = await request.post(urlOf(system), { headers: { apikey: "sb_publishable_1" } });
  expect(response.status()).toBe(401);
  expect(await response.json()).toMatchObject({ code: "session_token_invalid" });
});
