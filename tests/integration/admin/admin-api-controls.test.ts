import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAskAdmin } from "../../support/admin/ask-admin.ts";
import { deletedEvent } from "../../support/clerk/build-event.ts";
import { authorizedParty } from "../../support/clerk/clerk-instance.ts";
import { expandLine } from "../../support/mapping/configure-users.ts";
import { applyMapping, changeMapping, contractMapping } from "../../support/mapping/contract-mapping.ts";
import { type AdminSystem, startAdminSystem } from "../../support/systems/admin-system.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let system: AdminSystem;
beforeAll(async () => {
  const brake = { DELETE_BRAKE_COUNT: "1" };
  const roles = {
    ADMIN_OPERATOR_ROLES: "admin",
    ADMIN_VIEWER_ROLES: "user",
    ADMIN_ORIGINS: "https://admin.example.com",
  };
  system = await startAdminSystem({ ...brake, ...roles });
});
afterAll(() => system?.stop());

it("the overview and the charts are there before anything happened", async () => {
  expect((await system.ask("GET", "/overview")).body).toMatchObject({ users: 0, open_run: null, drift: null });
  for (const window of ["1h", "24h", "7d"]) {
    expect((await system.ask("GET", `/series?window=${window}`)).body).toMatchObject({ window });
  }
});

it("the metrics are text for Prometheus, for whoever may read", async () => {
  const response = await fetch(`${system.url}/metrics`, { headers: { apikey: system.server.settings.secretKey } });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, expect.stringMatching(/^text\/plain/)]);
  expect(await response.text()).toMatch(/^# HELP clerk_sync_.*^clerk_sync_users 0$/ms);
  expect((await fetch(`${system.url}/metrics`)).status).toBe(401);
});

describe("a session", () => {
  const sessionOf = async (id: string, claims: Record<string, unknown> = {}) => ({
    authorization: `Bearer ${await system.clerk.tokens.sign({ sub: id, azp: authorizedParty, ...claims })}`,
  });
  const asked = async (headers: Record<string, string>, method: "GET" | "POST", path: string, body?: unknown) =>
    (await createAskAdmin(system.url, headers)(method, path, body)).status;

  it("of an operator may act, and is known by the Clerk id; what the user wrote of themselves gives no right", async () => {
    await system.deliver("user_boss", { role: "admin" });
    await system.deliver("user_sly", { unsafeRole: "admin" });
    expect(await asked(await sessionOf("user_boss"), "POST", "/circuits/auth/reset")).toBe(200);
    expect(await system.audited("auth")).toEqual(["user_boss reset_circuit"]);
    expect(await asked(await sessionOf("user_sly"), "POST", "/circuits/auth/reset")).toBe(403);
    expect(await asked(await sessionOf("user_sly"), "GET", "/me")).toBe(200);
    expect(await asked(await sessionOf("user_unknown"), "GET", "/me")).toBe(403);
  });

  it("has no right by a column that users may write, nor by one that has another source", async () => {
    const status = async (id: string) => asked(await sessionOf(id), "GET", "/me");
    await system.deliver("user_writer", { role: "admin" });
    expect(await status("user_writer")).toBe(200);
    await system.server.pool.query("grant update (role) on public.users to authenticated");
    expect(await status("user_writer")).toBe(403);
    await system.server.pool.query("revoke update (role) on public.users from authenticated");
    const columns = [
      expandLine("email", "email"),
      expandLine("updatedAt", "now"),
      expandLine("created_at", "created_at"),
    ];
    await applyMapping(system.server.pool, changeMapping({ columns }));
    await system.server.pool.query("update public.users set role = 'admin' where clerk_id = 'user_writer'");
    expect(await status("user_writer")).toBe(403);
    await system.deliver("user_writer", { version: 2, role: "admin" }); // the mirror has it, and it is Clerk's
    expect(await status("user_writer")).toBe(200);
    await applyMapping(system.server.pool, contractMapping);
  });

  it("is accepted from the app and from the admin page, and from nowhere else", async () => {
    const from = (azp: string) => sessionOf("user_boss", { azp });
    expect(await asked(await from("https://admin.example.com"), "GET", "/me")).toBe(200);
    expect(await asked(await from("https://evil.example.com"), "GET", "/me")).toBe(401);
  });

  it("makes a token that keeps the Clerk id in its name, and ends with the user's role", async () => {
    const ask = createAskAdmin(system.url, await sessionOf("user_boss"));
    const { body } = await ask("POST", "/sign-in", { name: "Ada" });
    const token = { authorization: `Bearer ${body["token"]}` };
    expect(body["caller"]).toMatchObject({ name: "Ada (user_boss)", right: "operator" });
    expect(await asked(token, "POST", "/circuits/clerk/reset")).toBe(200);
    await system.server.one("update users set role = 'user' where clerk_id = 'user_boss'");
    expect(await asked(token, "POST", "/circuits/clerk/reset")).toBe(403);
    expect(await asked(token, "GET", "/me")).toBe(200);
    await system.server.one("delete from users where clerk_id = 'user_boss'");
    expect(await asked(token, "GET", "/me")).toBe(403);
  });
});

describe("deletions that the brake holds", () => {
  it("are counted, and pass or stay as an operator says", async () => {
    const ids = ["user_one", "user_two", "user_three"];
    for (const id of ids) await system.deliver(id);
    await system.server.one("update clerk_sync.records set first_seen_at = null");
    for (const id of ids) await postEvent(system.server.settings, deletedEvent({ id, version: 5 }));
    const brake = async () => (await system.ask("GET", "/overview")).body["brake"] as { waiting: number };
    await expect.poll(async () => (await brake()).waiting).toBeGreaterThan(0);
    const { body } = await system.ask("GET", "/jobs?status=PENDING");
    const held = (body["jobs"] as { clerk_id: string }[])[0]?.clerk_id ?? "";
    system.setAtClerk(held);
    expect(await system.verdictOf(held)).toMatchObject({ code: "delete_brake" });
    expect((await system.ask("POST", "/brake/release", { decision: "cancel" })).body).toMatchObject({ left: 0 });
    expect(await system.audited("cancel")).toEqual(["Ada release_brake"]);
    expect(await brake()).toMatchObject({ waiting: 0, engaged_at: null });
    const { jobs } = (await system.ask("GET", `/jobs?clerk_id=${held}&status=CANCELLED`)).body as {
      jobs: { id: string }[];
    };
    expect(jobs).toHaveLength(1);
    const { history } = (await system.ask("GET", `/jobs/${jobs[0]?.id}`)).body as { history: unknown[] };
    expect(history.at(-1)).toMatchObject({ status: "CANCELLED", by: "Ada" });
  });
});

describe("a run", () => {
  it("goes on with each call until it is over, tells what differs, and is listed", async () => {
    for (const user of (await system.server.pool.query("select clerk_id from users")).rows)
      system.setAtClerk(user.clerk_id);
    system.setAtClerk("user_missing");
    const compare = { kind: "compare", applies: false };
    const found: unknown[] = [];
    let answer: Record<string, unknown>;
    do {
      answer = (await system.ask("POST", "/runs", compare)).body;
      found.push(...(answer["differences"] as unknown[]));
    } while (answer["is_over"] !== true);
    expect(answer["run"]).toMatchObject({ ...compare, status: "COMPLETED" });
    expect(found).toContainEqual({ clerk_id: "user_missing", kind: "missing", fields: [] });
    const { id } = answer["run"] as { id: string };
    expect((await system.ask("GET", "/runs")).body).toMatchObject({ runs: [{ id }] });
    expect((await system.ask("GET", `/runs/${id}`)).body).toEqual(answer["run"]);
    expect(await system.audited("compare")).toEqual(["Ada walk_run"]);
  });

  it("that finds most of our users unknown to Clerk ends, and says that it is another instance", async () => {
    const known = [...system.clerk.users.values()];
    system.clerk.users.clear();
    system.setAtClerk("user_of_another_instance");
    const answer = await system.ask("POST", "/runs", { kind: "compare", applies: false });
    expect(answer).toMatchObject({ status: 409, body: { code: "clerk_instance_mismatch" } });
    expect((await system.ask("GET", "/runs?limit=1")).body).toMatchObject({ runs: [{ status: "FAILED" }] });
    system.clerk.users.fill(known);
  });

  it("of another kind stands in the way until it is cancelled", async () => {
    await system.server.one("select clerk_sync_take_run('sweep', true)");
    const backfill = { kind: "backfill", applies: true };
    expect(await system.ask("POST", "/runs", backfill)).toMatchObject({ status: 409, body: { code: "run_active" } });
    const busy = await system.ask("POST", "/runs", { kind: "sweep", applies: true });
    expect(busy.body).toMatchObject({ is_over: false, run: { kind: "sweep", status: "RUNNING" } });
    expect((await system.ask("POST", "/runs/cancel")).body).toMatchObject({
      run: { kind: "sweep", status: "CANCELLED" },
    });
    expect((await system.ask("POST", "/runs/cancel")).body).toEqual({ run: null });
    expect((await system.ask("POST", "/runs", backfill)).status).toBe(200);
  });
});

it("failed attempts are audited by address, and beyond ten a minute answered 429; the right key is not", async () => {
  const wrong = createAskAdmin(system.url, { apikey: "sb_secret_wrong" });
  const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await wrong("GET", "/me")).status));
  expect(new Set(statuses)).toEqual(new Set([401, 429]));
  expect((await wrong("GET", "/me")).headers.get("retry-after")).toBe("60");
  expect((await system.ask("GET", "/me")).status).toBe(200);
  const { body } = await system.ask("GET", "/audit?kind=operator_action&source=127.0.0.1");
  expect(body["entries"]).toContainEqual(
    expect.objectContaining({ code: "sign_in_refused", subject: "caller_unauthorized", source: "127.0.0.1" }),
  );
});
