import { afterAll, beforeAll, expect, it } from "vitest";
import { createClerkApi } from "#core/clerk/clerk-api.ts";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { at, userEvent } from "../../support/clerk/build-event.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let clerk: ClerkStandIn;
let server: TestServer;
beforeAll(async () => {
  clerk = await startClerkStandIn();
  server = await startTestServer({ CLERK_SECRET_KEY: clerk.secretKey, CLERK_API_URL: clerk.url });
});
afterAll(async () => {
  await server?.stop();
  await clerk?.stop();
});

const api = (secretKey = clerk.secretKey) => createClerkApi({ secretKey, apiUrl: clerk.url });
const setAtClerk = (facts: Parameters<typeof userEvent>[1]) =>
  clerk.users.set(facts.id, userEvent("user.updated", facts).data);

it("a user is read with its version", async () => {
  setAtClerk({ id: "user_read", version: 3 });
  expect(await api().readUser("user_read")).toMatchObject({
    deleted: false,
    version: at(3),
    user: { id: "user_read" },
  });
});

it("a user who is not there is deleted", async () => {
  expect(await api().readUser("user_nobody")).toEqual({ deleted: true });
});

it("a wrong key is no deletion", async () => {
  await expect(api("sk_test_other").readUser("user_nobody")).rejects.toMatchObject({ code: "clerk_unauthorized" });
});

it("an address where something else answers is no deletion", async () => {
  const lost = createClerkApi({ secretKey: clerk.secretKey, apiUrl: `${clerk.url}/elsewhere` });
  await expect(lost.readUser("user_nobody")).rejects.toMatchObject({ code: "clerk_unavailable" });
});

it("a request to slow down says for how long", async () => {
  clerk.failNext({ status: 429, headers: { "retry-after": "7" }, body: "{}" });
  await expect(api().readUser("user_read")).rejects.toMatchObject({ code: "clerk_rate_limited", retryAfterSeconds: 7 });
});

it("a user who lost an address while Clerk was down gets the new one, in users and in Auth", async () => {
  await postEvent(
    server.settings,
    userEvent("user.created", { id: "user_from", version: 1, email: "moving@example.com" }),
  );
  await server.quiet();
  setAtClerk({ id: "user_from", version: 2, email: "moved@example.com" }); // its event is lost
  clerk.failNext({ status: 502, body: "<html>" });
  await postEvent(
    server.settings,
    userEvent("user.created", { id: "user_to", version: 3, email: "moving@example.com" }),
  );
  const emails = () =>
    server.one(
      `select (select email from users where clerk_id = 'user_from') as row,
              (select email from auth.users where id = $1) as mirror,
              (select email from auth.users where id = $2) as taker`,
      [authUserIdOf("user_from"), authUserIdOf("user_to")],
    );
  await expect
    .poll(emails)
    .toEqual({ row: "moved@example.com", mirror: "moved@example.com", taker: "moving@example.com" });
  await server.quiet(); // Auth has its answer a moment before the job is settled
  expect(
    await server.one("select attempts, status from job_queue where source = 'refresh' and clerk_id = 'user_from'"),
  ).toEqual({ attempts: 2, status: "COMPLETED" });
});

it("a user deleted at Clerk whose event was lost is gone everywhere once somebody asks", async () => {
  await postEvent(server.settings, userEvent("user.created", { id: "user_left", version: 1 }));
  await server.quiet();
  await server.one("select clerk_sync_request_refresh(array['user_left'])");
  await expect.poll(() => server.one("select 1 from users where clerk_id = 'user_left'")).toBeUndefined();
  await expect
    .poll(() => server.one("select 1 from auth.users where id = $1", [authUserIdOf("user_left")]))
    .toBeUndefined();
});
