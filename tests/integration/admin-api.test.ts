import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AskAdmin, createAskAdmin } from "../support/ask-admin.ts";
import { deletedEvent, userEvent } from "../support/build-event.ts";
import {
  type ClerkInstance,
  clerkEnvironment,
  planClerkInstance,
  startClerkInstance,
} from "../support/clerk-instance.ts";
import { postEvent } from "../support/post-event.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

let clerk: ClerkInstance;
let server: TestServer;
let url: string;
let ask: AskAdmin;
beforeAll(async () => {
  const place = await planClerkInstance();
  clerk = await startClerkInstance(place);
  const roles = { ADMIN_OPERATOR_ROLES: "admin", ADMIN_VIEWER_ROLES: "user" };
  server = await startTestServer({ ...clerkEnvironment(place), ...roles });
  url = `${server.settings.url}/functions/v1/sync-admin`;
  ask = createAskAdmin(url, { apikey: server.settings.secretKey, "x-clerk-sync-actor": "Ada" });
});
afterAll(async () => {
  await server?.stop();
  await clerk?.stop();
});

type Facts = Partial<Parameters<typeof userEvent>[1]>;
const dataOf = (id: string, facts: Facts = {}) => userEvent("user.created", { id, version: 1, ...facts }).data;
const setAtClerk = (id: string, facts: Facts = {}) =>
  clerk.users.set(id, dataOf(id, facts) as { id: string; updated_at: number });
const deliver = async (id: string, facts: Facts = {}) => {
  await postEvent(server.settings, userEvent("user.created", { id, version: 1, ...facts }));
  await server.quiet();
};
const verdictOf = async (id: string) => (await ask("GET", `/users/${id}`)).body["verdict"] as { code: string };
const audited = async (subject: string) => {
  const { body } = await ask("GET", `/audit?kind=operator_action&subject=${subject}`);
  return (body["entries"] as { source: string; code: string; count: number }[]).map(
    ({ source, code }) => `${source} ${code}`,
  );
};
const jobOf = async (id: string) => {
  const { body } = await ask("GET", `/jobs?clerk_id=${id}&limit=1`);
  return (body["jobs"] as { id: string; status: string }[])[0] ?? { id: "", status: "" };
};

describe("a job that failed", () => {
  it("is found by its address, read, retried, and done; the audit knows who did it", async () => {
    await deliver("user_dead");
    const { id } = await jobOf("user_dead");
    await server.one(
      "update job_queue set status = 'DEAD', error = 'auth_rejected: ada@example.com is no address', processed_at = now() where id = $1",
      [id],
    );
    const found = await ask("GET", "/jobs?status=DEAD,FAILED&q=user_dead@example.com");
    expect(found.body).toMatchObject({ jobs: [{ id, clerk_id: "user_dead" }], next: null });
    const groups = (await ask("GET", "/dead-letters")).body;
    expect(groups).toMatchObject({ groups: [{ code: "auth_rejected", count: 1, sample_job_id: id }] });
    expect(JSON.stringify([found.body, groups])).not.toContain("ada@example.com");
    expect(await verdictOf("user_dead")).toMatchObject({ code: "dead_letter", job_id: id });
    expect((await ask("POST", "/jobs/retry", { ids: [id] })).body).toEqual({ changed: 1 });
    await server.quiet();
    expect((await ask("GET", `/jobs/${id}`)).body).toMatchObject({ status: "COMPLETED", error: null });
    expect(await verdictOf("user_dead")).not.toMatchObject({ code: "dead_letter" });
    expect(await audited(id)).toEqual(["Ada retry_jobs"]);
  });

  it("and all like it are counted first and then changed in slices until none is left", async () => {
    const ids = Array.from({ length: 5 }, (_, place) => `user_bulk_${place}`);
    for (const id of ids) await deliver(id);
    await server.one(
      "update job_queue set status = 'DEAD', error = 'bulk: x', processed_at = now() where clerk_id like 'user_bulk_%'",
    );
    const filter = { status: ["DEAD"], code: "bulk" };
    expect((await ask("POST", "/jobs/count", { filter, action: "cancel" })).body).toEqual({ count: 5, is_exact: true });
    const action = { filter, operation: randomUUID(), before: new Date(Date.now() + 1000).toISOString(), limit: 2 };
    const changed = [];
    for (let slice = 0; slice < 4; slice++) changed.push((await ask("POST", "/jobs/cancel", action)).body["changed"]);
    expect(changed).toEqual([2, 2, 1, 0]);
    expect(await audited(action.operation)).toEqual(["Ada cancel_jobs"]);
    expect((await ask("GET", "/jobs/counts?q=user_bulk_1")).body["statuses"]).toMatchObject({ CANCELLED: 1, DEAD: 0 });
  });

  it("shows its payload masked, and as it is only to who is put down for it", async () => {
    await deliver("user_masked", { phone: "+4915112345678" });
    const { id } = await jobOf("user_masked");
    const masked = await ask("GET", `/jobs/${id}`);
    expect(masked.body).toMatchObject({ is_revealed: false, payload: { clerk_id: "user_masked", name: "A*** L***" } });
    expect(JSON.stringify(masked.body)).not.toMatch(/Lovelace|example\.com|15112345678/);
    expect(await audited(id)).toEqual([]);
    const revealed = await ask("POST", `/jobs/${id}/reveal`);
    expect(revealed.body).toMatchObject({ is_revealed: true, payload: { email: "user_masked@example.com" } });
    expect(await audited(id)).toEqual(["Ada reveal_job"]);
  });

  it("that there is none of is 404", async () => {
    expect((await ask("GET", `/jobs/${randomUUID()}`)).status).toBe(404);
    expect((await ask("POST", `/jobs/${randomUUID()}/reveal`)).status).toBe(404);
  });
});

it("lists come in pages, each job once, and a cursor of another list is refused", async () => {
  for (const place of [1, 2, 3]) await deliver(`user_page_${place}`);
  const seen: string[] = [];
  let cursor: unknown = "";
  do {
    const { body } = await ask("GET", `/jobs?source=webhook&limit=2${cursor ? `&cursor=${cursor}` : ""}`);
    seen.push(...(body["jobs"] as { id: string }[]).map(({ id }) => id));
    cursor = body["next"];
  } while (cursor !== null);
  const stored = await server.one("select count(*)::int as n from job_queue where source = 'webhook'");
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen.length).toBe(stored?.["n"]);
  const { body } = await ask("GET", "/users?limit=1");
  expect((await ask("GET", `/jobs?cursor=${body["next"]}`)).body).toMatchObject({ code: "request_invalid" });
});

describe("a user", () => {
  const resync = async (id: string) => {
    expect((await ask("POST", `/users/${id}/resync`)).body).toEqual({ requested: 1 });
    const isDone = async () => (await verdictOf(id)).code;
    await expect.poll(isDone, { timeout: 15_000 }).not.toMatch(/under_way|refresh_due/);
  };

  it("whom no event ever brought is found out to be missing, and is in step after a resync", async () => {
    setAtClerk("user_lost");
    expect((await ask("GET", "/users/user_lost")).body).toMatchObject({
      verdict: { code: "never_delivered", in_step: false },
      clerk: { state: "present", values: { email: "u***@e***.com", name: "A*** L***" } },
      users: { state: "absent" },
      auth: { state: "absent" },
      state: null,
      jobs: [],
    });
    await resync("user_lost");
    expect((await ask("GET", "/users/user_lost")).body).toMatchObject({
      verdict: { code: "in_step", in_step: true },
      users: { state: "present" },
      auth: { state: "present" },
      differences: [],
      jobs: [{ source: "refresh", status: "COMPLETED" }],
    });
    expect(await audited("user_lost")).toEqual(["Ada resync_user"]);
  });

  it("is found by id, address and name, masked, and is revealed to who is put down for it", async () => {
    await deliver("user_grace", { firstName: "Grace", lastName: "Hopper", phone: "+4915112345678" });
    for (const q of ["user_grace", "User_Grace@Example.com", "grace"]) {
      const { body } = await ask("GET", `/users?q=${encodeURIComponent(q)}`);
      expect(body["users"], q).toMatchObject([{ clerk_id: "user_grace", email: "u***@e***.com", name: "G*** H***" }]);
    }
    expect((await ask("POST", "/users/user_grace/reveal")).body).toMatchObject({
      is_revealed: true,
      users: { values: { email: "user_grace@example.com", name: "Grace Hopper", phone: "+4915112345678" } },
    });
    expect(await audited("user_grace")).toEqual(["Ada reveal_user"]);
  });

  it("who changed at Clerk without an event is stale, with the fields that differ, until a resync", async () => {
    await deliver("user_stale");
    setAtClerk("user_stale", { version: 9, firstName: "Countess" });
    expect((await ask("GET", "/users/user_stale")).body).toMatchObject({
      verdict: { code: "stale" },
      differences: ["name", "updated_at"],
    });
    await resync("user_stale");
    expect(await verdictOf("user_stale")).toMatchObject({ code: "in_step" });
  });

  it("whose role may not be stored is in step all the same", async () => {
    setAtClerk("user_king", { role: "king" });
    await resync("user_king");
    expect((await ask("GET", "/users/user_king")).body).toMatchObject({
      verdict: { code: "in_step" },
      differences: [],
    });
  });

  it("whose deletion never arrived goes with a resync", async () => {
    await deliver("user_left");
    expect(await verdictOf("user_left")).toMatchObject({ code: "row_not_at_clerk" });
    await resync("user_left");
    await expect.poll(async () => (await verdictOf("user_left")).code, { timeout: 15_000 }).toBe("deleted");
    expect((await ask("GET", "/users/user_left")).body).toMatchObject({
      users: { state: "absent" },
      auth: { state: "absent" },
    });
  });

  it("whom a late event cannot revive is told apart, and comes back with a resync", async () => {
    await deliver("user_back");
    await postEvent(server.settings, deletedEvent({ id: "user_back", version: 5 }));
    await server.quiet();
    setAtClerk("user_back", { version: 9 });
    expect(await verdictOf("user_back")).toMatchObject({ code: "tombstone" });
    await resync("user_back");
    expect(await verdictOf("user_back")).toMatchObject({ code: "in_step" });
  });

  it("whose address another user holds is told who", async () => {
    setAtClerk("user_owner", { version: 1, email: "same@example.com" });
    setAtClerk("user_newer", { version: 2, email: "same@example.com" });
    await resync("user_owner");
    await resync("user_newer");
    const { body } = await ask("GET", "/users/user_owner");
    expect(body["verdict"]).toMatchObject({ code: "email_held", what: expect.stringContaining("user_newer") });
  });

  it("whom Supabase Auth has lost, and whose row was deleted by hand, are made again", async () => {
    setAtClerk("user_hand");
    await resync("user_hand");
    await server.one("delete from auth.users where raw_app_meta_data ->> 'clerk_id' = 'user_hand'");
    expect(await verdictOf("user_hand")).toMatchObject({ code: "auth_missing" });
    await server.one("delete from users where clerk_id = 'user_hand'");
    expect(await verdictOf("user_hand")).toMatchObject({ code: "row_missing" });
    await resync("user_hand");
    expect(await verdictOf("user_hand")).toMatchObject({ code: "in_step" });
  });

  it("whose last refresh is a dead letter is read again all the same", async () => {
    setAtClerk("user_stuck");
    await resync("user_stuck");
    await server.one(
      "update job_queue set status = 'DEAD', error = 'clerk_rejected: x', result = null, processed_at = now() where clerk_id = 'user_stuck'",
    );
    setAtClerk("user_stuck", { version: 9, firstName: "Countess" });
    expect(await verdictOf("user_stuck")).toMatchObject({ code: "dead_letter" });
    await resync("user_stuck");
    expect(await verdictOf("user_stuck")).toMatchObject({ code: "in_step" });
    expect(await audited("user_stuck")).toEqual(["Ada resync_user"]);
  });

  it("is shown while Clerk's API fails, which is said and fails nothing else", async () => {
    await deliver("user_dark");
    clerk.failures.push({ status: 503 });
    expect(await ask("GET", "/users/user_dark")).toMatchObject({
      status: 200,
      body: {
        verdict: { code: "clerk_unanswered" },
        clerk: { state: "unknown", reason: expect.stringContaining("clerk_unavailable") },
        users: { state: "present" },
        auth: { state: "present" },
      },
    });
  });

  it("of an id that nobody has ever heard of is said to be so", async () => {
    expect(await verdictOf("user_nobody")).toMatchObject({ code: "unknown_user", in_step: true });
    expect(await verdictOf("..%2Fcount")).toMatchObject({ code: "unknown_user" });
  });
});
