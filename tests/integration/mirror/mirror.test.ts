import { afterAll, beforeAll, expect, it } from "vitest";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.stop());

const send = (event: unknown) => postEvent(server.settings, event);

async function authEmails(...clerkIds: string[]): Promise<unknown[]> {
  const { rows } = await server.pool.query("select id, email from auth.users where id = any($1)", [
    clerkIds.map(authUserIdOf),
  ]);
  return clerkIds.map((clerkId) => rows.find((row) => row.id === authUserIdOf(clerkId))?.email);
}

it("an address that passes from one user to another passes in Auth too", async () => {
  await send(userEvent("user.created", { id: "user_giver", version: 1, email: "pass@example.com" }));
  await server.quiet();
  await send(userEvent("user.created", { id: "user_taker", version: 2, email: "pass@example.com" }));
  await expect
    .poll(() => authEmails("user_giver", "user_taker"))
    .toEqual([`${authUserIdOf("user_giver")}@removed.invalid`, "pass@example.com"]);
  expect(await server.one("select email from users where clerk_id = 'user_giver'")).toEqual({ email: null });
});

it("two users who swap addresses are swapped in Auth after a few attempts", async () => {
  await send(userEvent("user.created", { id: "user_l", version: 1, email: "l@example.com" }));
  await send(userEvent("user.created", { id: "user_r", version: 1, email: "r@example.com" }));
  await server.quiet();
  await send(userEvent("user.updated", { id: "user_l", version: 2, email: "r@example.com" }));
  await send(userEvent("user.updated", { id: "user_r", version: 2, email: "l@example.com" }));
  await expect.poll(() => authEmails("user_l", "user_r")).toEqual(["r@example.com", "l@example.com"]);
});

it("an Auth user who was there before is left alone, until it goes away and the mirror gets the address", async () => {
  const created = await fetch(`${server.settings.url}/auth/v1/admin/users`, {
    method: "POST",
    headers: { apikey: server.settings.secretKey, "content-type": "application/json" },
    body: JSON.stringify({ email: "before@example.com", email_confirm: true }),
  });
  const { id } = (await created.json()) as { id: string };
  await send(userEvent("user.created", { id: "user_second", version: 1, email: "before@example.com" }));
  await server.quiet();
  const state = "select auth_user_id, auth_finding from clerk_sync.known_users where clerk_id = 'user_second'";
  const mirror = { auth_user_id: authUserIdOf("user_second") };
  expect(await server.one(state)).toEqual({ ...mirror, auth_finding: "auth_address_held" });
  expect(await server.one("select status, attempts from job_queue where clerk_id = 'user_second'")).toEqual({
    status: "COMPLETED",
    attempts: 1,
  });
  expect(
    await server.one("select email, raw_app_meta_data ->> 'clerk_id' as clerk_id from auth.users where id = $1", [id]),
  ).toEqual({ email: "before@example.com", clerk_id: null });
  expect(await authEmails("user_second")).toEqual([`${authUserIdOf("user_second")}@removed.invalid`]);
  await server.one("delete from auth.users where id = $1", [id]);
  await send(userEvent("user.updated", { id: "user_second", version: 2, email: "before@example.com" }));
  await server.quiet();
  expect(await authEmails("user_second")).toEqual(["before@example.com"]);
  expect(await server.one(state)).toEqual({ ...mirror, auth_finding: null });
});

it("a user whom Auth will never accept has a row and a dead letter that says so", async () => {
  await send(userEvent("user.created", { id: "user_idn", version: 1, email: "ada@exämple.com" }));
  await server.quiet();
  expect(await server.one("select email from users where clerk_id = 'user_idn'")).toEqual({ email: "ada@exämple.com" });
  expect(await server.one("select status, attempts, error from job_queue where clerk_id = 'user_idn'")).toEqual({
    status: "DEAD",
    attempts: 1,
    error: expect.stringMatching(/^auth_address_refused: /),
  });
});

it("without the mirror the rows are the same and Auth stays empty", async () => {
  const plain = await startTestServer({ AUTH_MIRROR: "off" });
  await postEvent(plain.settings, userEvent("user.created", { id: "user_plain", version: 1 }));
  await plain.quiet();
  expect(await plain.one("select name from users where clerk_id = 'user_plain'")).toEqual({ name: "Ada Lovelace" });
  expect(await plain.one("select count(*)::int as n from auth.users")).toEqual({ n: 0 });
  await plain.stop();
});
