import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SyncError } from "#core/errors.ts";
import type { AuthAdmin } from "#core/mirror/auth-admin.ts";
import { createMirrorUser } from "#core/mirror/mirror-user.ts";
import { createSlices } from "#core/reconcile/create-slices.ts";
import { createRunsDatabase, type RunKind } from "#core/reconcile/runs-database.ts";
import { processWork, type WorkDependencies } from "#core/worker/process-work.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { createFakeAuthAdmin } from "../../support/supabase/fake-auth-admin.ts";

// What must not happen to runs that nobody watches: that they stop for ever, or take users for deleted who are not.

type ClerkData = ReturnType<typeof userEvent>["data"];

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

const notFound = () => Response.json({ errors: [{ code: "resource_not_found" }] }, { status: 404 });

/** Clerk's API with these users, all on one page. */
function answerOf(users: readonly ClerkData[], input: URL | RequestInfo): Response {
  const { pathname, searchParams } = new URL(String(input));
  if (pathname === "/v1/users/count") return Response.json({ object: "total_count", total_count: users.length });
  if (pathname !== "/v1/users") {
    const user = users.find(({ id }) => pathname === `/v1/users/${id}`);
    return user === undefined ? notFound() : Response.json(user);
  }
  const ids = searchParams.getAll("user_id");
  if (ids.includes("refused"))
    return Response.json({ errors: [{ code: "form_param_value_invalid" }] }, { status: 422 });
  if (ids.length > 0) return Response.json(users.filter(({ id }) => ids.includes(id)));
  const isFirst = !["starting_after", "created_at_after"].some((name) => searchParams.has(name));
  return Response.json(isFirst && Number(searchParams.get("offset") ?? 0) === 0 ? users : []);
}

type Changes = { authMirror?: boolean; deletesForeign?: boolean; auth?: AuthAdmin; mostSteps?: number } & Partial<
  Pick<WorkDependencies, "mirrorUser">
>;

/** One call of the processor for this kind of run, an hour, a day … after the last. */
async function call(kind: RunKind, users: readonly ClerkData[], changes: Changes = {}): Promise<void> {
  const { authMirror = false, deletesForeign = false, mirrorUser = null, mostSteps = 50, auth } = changes;
  const config = {
    clerkSecretKey: "sk_live_x",
    clerkApiUrl: "https://clerk.test",
    maxAttempts: 15,
    authMirror,
    supabaseUrl: null,
    secretKeys: [],
  };
  const fetch: typeof globalThis.fetch = async (input) => answerOf(users, input);
  const slices = createSlices(config, createCallFunction(queue.pool), rootFields, {
    fetch,
    deletesForeign,
    ...(auth && { auth }),
  });
  const rest = { readUser: null, fields: rootFields, deleteBrake: null, now: Date.now } as const;
  const options = { budgetMilliseconds: 10_000, kind, mostSteps };
  await processWork({ database: queue.database, mirrorUser, slices, ...rest }, options);
}

const pass = (interval: string) =>
  queue.pool.query(
    `update clerk_sync.sync_runs
     set lease_until = lease_until - $1::interval, updated_at = updated_at - $1::interval, started_at = started_at - $1::interval`,
    [interval],
  );
const listRuns = async () =>
  (await queue.pool.query("select kind, status, counts from clerk_sync.sync_runs order by started_at")).rows;

/** Nobody is a newcomer any more: a compare leaves those alone. */
const grow = () => queue.pool.query("update clerk_sync.records set first_seen_at = null");

const userEvents = (count: number) =>
  Array.from({ length: count }, (_, place) => userEvent("user.created", { id: `user_${place}`, version: 2 }));

/** Users whom both sides have. */
async function synced(count: number): Promise<ClerkData[]> {
  const events = userEvents(count);
  await queue.sendAll(events);
  await queue.run();
  await grow();
  return events.map(({ data }) => data);
}

describe("a run", () => {
  it("of a person's that was interrupted dry does not keep the schedule from its own", async () => {
    const runs = createRunsDatabase(createCallFunction(queue.pool), 15);
    const taken = await runs.take({ kind: "compare", applies: false });
    if (taken.outcome !== "started") throw new Error(taken.outcome);
    await runs.end(taken.run.id, taken.token, { status: "RUNNING" }); // Ctrl-C
    await pass("2 hours");
    await call("sweep", []);
    expect((await listRuns()).map((run) => run.kind)).toContain("sweep");
  });

  it("ends while Supabase Auth is down, so that the next can begin", async () => {
    await queue.pool.query("update clerk_sync.circuits set probe_at = now() + interval '1 hour' where name = 'auth'");
    const users = [userEvent("user.updated", { id: "user_1", version: 5 }).data];
    const mirrorUser = () => Promise.reject(new Error("not called"));
    await call("backfill", users, { authMirror: true, mirrorUser });
    await pass("3 hours");
    await call("sweep", users, { authMirror: true, mirrorUser });
    expect((await listRuns()).map((run) => run.kind)).toEqual(["backfill", "sweep"]);
    expect(await queue.user("user_1")).toBeDefined();
  });

  it("mends a lost change also of a user who has an older job in the queue", async () => {
    await queue.send(userEvent("user.created", { id: "user_1", version: 1 }));
    await queue.run();
    await queue.send(userEvent("user.updated", { id: "user_1", version: 2 }), "msg_old");
    await queue.pool.query("update job_queue set run_at = now() + interval '10 minutes' where event_id = 'msg_old'");
    await call("compare", [userEvent("user.updated", { id: "user_1", version: 3, email: "newest@example.com" }).data]);
    expect(await queue.user("user_1")).toMatchObject({ email: "newest@example.com" });
  });

  it("queues nobody for Supabase Auth once the mirror was turned off", async () => {
    const users = await synced(3);
    await queue.pool.query(
      "update clerk_sync.user_state as s set mirrored_version = r.version - 1 from clerk_sync.records as r where r.id = s.clerk_id",
    );
    for (const _ of [1, 2]) {
      await call("compare", users);
      await pass("1 day");
    }
    expect((await listRuns()).map((run) => run.counts.unmirrored ?? 0)).toEqual([0, 0]);
  });

  it("makes one dead letter of a user whom the table refuses, not one a night", async () => {
    await queue.pool.query("alter table users add constraint short check (length(name) < 5)");
    const users = [userEvent("user.updated", { id: "user_1", version: 2 }).data];
    for (const _ of [1, 2, 3]) {
      await call("compare", users);
      await queue.pool.query("update job_queue set status = 'DEAD' where status = 'FAILED'");
      await pass("1 day");
    }
    expect(await queue.one("select count(*)::int as n from job_queue")).toEqual({ n: 1 });
  });
});

describe("a compare of Supabase Auth", () => {
  /** So many users, here, at Clerk and in Auth. */
  async function mirrored(count: number) {
    const fake = createFakeAuthAdmin();
    const users = userEvents(count);
    await queue.sendAll(users);
    const changes = { authMirror: true, auth: fake.auth, mirrorUser: createMirrorUser(fake.auth) };
    await call("sweep", [], changes);
    await grow();
    await queue.pool.query("delete from clerk_sync.sync_runs");
    fake.calls.length = 0;
    return { ...fake, changes, users: users.map(({ data }) => data) };
  }

  it("is carried on from page to page by several processors, and mends what it finds through the mirror", async () => {
    const { users, changes, auth } = await mirrored(450);
    const { rows } = await queue.pool.query("select clerk_id, auth_user_id as id from clerk_sync.known_users");
    const idOf = (clerkId: string): string => rows.find((row) => row.clerk_id === clerkId)?.id;
    await auth.deleteUser(idOf("user_3"));
    const role = { app_metadata: { role: "admin" }, user_metadata: {} };
    await auth.updateUser(idOf("user_440"), role);
    let calls = 0;
    do await call("compare", users, { ...changes, mostSteps: 1 });
    while (++calls < 50 && (await listRuns())[0]?.status === "RUNNING");
    expect(calls).toBeGreaterThan(6);
    expect(await listRuns()).toMatchObject([
      { status: "COMPLETED", counts: { auth_read: 449, auth_missing: 1, auth_differs: 1, queued: 2, users_here: 450 } },
    ]);
    expect(await auth.getUser(idOf("user_3"))).toMatchObject({ ok: true });
    expect(await auth.getUser(idOf("user_440"))).toMatchObject({ user: { app_metadata: { role: "user" } } });
  });

  it("lets the run end while Supabase Auth is down, and says that it was not looked through", async () => {
    const { users, changes, auth } = await mirrored(3);
    const down = () => Promise.reject(new SyncError("auth_unavailable", "down", { retryable: true }));
    await call("compare", users, { ...changes, auth: { ...auth, listUsers: down } });
    expect(await listRuns()).toMatchObject([{ status: "COMPLETED", counts: { auth_unread: 1 } }]);
  });

  it("is not made once the mirror was turned off", async () => {
    const { users, changes, calls } = await mirrored(3);
    await call("compare", users, { ...changes, authMirror: false });
    expect(calls).toEqual([]);
  });
});

describe("nobody is taken for deleted", () => {
  it("because seeded rows are many: they tell nothing of the instance, and stay", async () => {
    const users = await synced(30);
    await queue.pool.query("insert into users (clerk_id) select 'user_seed_' || n from generate_series(1, 11) as n");
    for (const kind of ["sweep", "compare"] as const) await call(kind, users);
    expect(await listRuns()).toMatchObject([{ status: "COMPLETED" }, { status: "COMPLETED", counts: { foreign: 11 } }]);
    expect(await queue.one("select count(*)::int as n from users")).toEqual({ n: 41 });
  });

  it("because a second instance of Clerk sends into the same database", async () => {
    const users = await synced(40);
    for (let place = 0; place < 8; place++) {
      const event = userEvent("user.created", { id: `user_dev_${place}`, version: 2 });
      await queue.send({ ...event, instance_id: "ins_of_development" });
    }
    await queue.run();
    await grow();
    await call("compare", users);
    expect(await listRuns()).toMatchObject([{ status: "COMPLETED", counts: { foreign: 8 } }]);
    expect(await queue.one("select count(*)::int as n from users")).toEqual({ n: 48 });
  });

  it("who is a canary under way, or a row that waits for its user under the text NULL", async () => {
    const users = await synced(30);
    await queue.send(userEvent("user.created", { id: "user_clerksync_canary_1", version: 2 }));
    await queue.run();
    await grow();
    await queue.pool.query("insert into users (clerk_id, email) values ('NULL', 'owner@example.com')");
    await call("compare", users, { deletesForeign: true });
    expect(await queue.one("select count(*)::int as n from users")).toEqual({ n: 32 });
  });

  it("and an id that Clerk refuses costs the compare that one, not the deletions beside it", async () => {
    const users = await synced(30);
    await queue.pool.query("insert into users (clerk_id) values ('refused')");
    await call("compare", users.slice(1), { deletesForeign: true });
    expect(await listRuns()).toMatchObject([{ status: "COMPLETED", counts: { unreadable: 1, extra: 1 } }]);
    expect(await queue.one("select count(*)::int as n from users")).toEqual({ n: 30 });
  });

  it("nor does an id that is a path stop the run", async () => {
    const users = await synced(30);
    await queue.pool.query("insert into users (clerk_id) values ('.')");
    await call("compare", users);
    expect(await listRuns()).toMatchObject([{ status: "COMPLETED", counts: { unreadable: 1 } }]);
  });
});
