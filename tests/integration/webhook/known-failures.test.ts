import { afterAll, beforeAll, expect, it } from "vitest";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { postBody, postEvent } from "../../support/webhook/post-event.ts";

// What hand-written Clerk webhook handlers are known to get wrong. Each test fails when the line that
// prevents it is taken out; tests/mutations.ts does that.
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.stop());

const send = (event: unknown, eventId?: string) => postEvent(server.settings, event, eventId);
const rowOf = (clerkId: string) => server.one("select email, name, role from users where clerk_id = $1", [clerkId]);

async function sendAndWait(...events: unknown[]): Promise<void> {
  for (const event of events) expect((await send(event)).status).toBe(202);
  await server.quiet();
}

function processorCall() {
  return fetch(`${server.settings.url}/functions/v1/user-job-processor`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.settings.secretKey}` },
  }).then((response) => response.json() as Promise<{ processed: number; jobs: { jobId: string }[] }>);
}

async function insertJobs(count: number, prefix: string, dueIn = "0 s"): Promise<void> {
  await server.pool.query(
    `insert into job_queue (job_type, clerk_id, version, run_at, payload)
     select 'USER_CREATED', $2 || n, 1, now() + $3::interval, jsonb_build_object('clerk_id', $2 || n, 'email', $2 || n || '@example.com', 'name', 'N', 'user_role', 'user')
     from generate_series(1, $1::int) as n`,
    [count, prefix, dueIn],
  );
}

it("two workers never run one job twice", async () => {
  await insertJobs(20, "user_race_", "1 hour");
  const run = "select clerk_sync_run_jobs(250, null, p_now => now() + interval '2 hours') as batch";
  const first = await server.pool.connect();
  await first.query("begin");
  const claimed = (await first.query(run)).rows[0].batch.jobs;
  const second = (await server.pool.query(run)).rows[0].batch.jobs;
  await first.query("commit");
  first.release();
  expect([claimed.length, second.length]).toEqual([20, 0]);
  expect(await server.one("select max(attempts) as most from job_queue where clerk_id like 'user_race_%'")).toEqual({
    most: 1,
  });
});

it("one call works through everything that is due, not one job a minute", async () => {
  await insertJobs(120, "user_drain_");
  const answer = await processorCall();
  await server.quiet();
  expect(answer).toMatchObject({ success: true });
  expect(await server.one("select count(*)::int as n from users where clerk_id like 'user_drain_%'")).toEqual({
    n: 120,
  });
});

it("a FAILED job is tried again and completes once the reason is gone", async () => {
  await server.pool.query("alter table users add constraint no_retry check (name is distinct from 'Retry Lovelace')");
  await sendAndWait(userEvent("user.created", { id: "user_retry", version: 1, firstName: "Retry" }));
  expect(await server.one("select status from job_queue where clerk_id = 'user_retry'")).toEqual({ status: "FAILED" });
  await server.pool.query("alter table users drop constraint no_retry");
  await expect.poll(() => rowOf("user_retry")).toMatchObject({ name: "Retry Lovelace" });
});

it("an email change finds its Auth user, also past the first page of users", async () => {
  await sendAndWait(userEvent("user.created", { id: "user_mail", version: 1, email: "before@example.com" }));
  await sendAndWait(
    ...Array.from({ length: 60 }, (_, place) => userEvent("user.created", { id: `user_page${place}`, version: 1 })),
  );
  await sendAndWait(userEvent("user.updated", { id: "user_mail", version: 2, email: "after@example.com" }));
  const { rows } = await server.pool.query(
    "select id, email from auth.users where email in ('before@example.com', 'after@example.com')",
  );
  expect(rows).toEqual([{ id: authUserIdOf("user_mail"), email: "after@example.com" }]);
});

it("an update for a missing row creates the row", async () => {
  await sendAndWait(userEvent("user.updated", { id: "user_nowhere", version: 1 }));
  expect(await rowOf("user_nowhere")).toMatchObject({ name: "Ada Lovelace" });
});

it("a repeated delivery makes no second job", async () => {
  const event = userEvent("user.created", { id: "user_repeat", version: 1 });
  expect(await send(event, "msg_repeat")).toMatchObject({ status: 202 });
  expect(await send(event, "msg_repeat")).toEqual({ status: 200, body: { message: "Duplicate event" } });
  expect(await server.one("select count(*)::int as n from job_queue where clerk_id = 'user_repeat'")).toEqual({ n: 1 });
});

it("a create for a row that is as new says so and makes no job", async () => {
  await sendAndWait(userEvent("user.created", { id: "user_exists", version: 1 }));
  const row = await server.one("select id, clerk_id from users where clerk_id = 'user_exists'");
  expect(await send(userEvent("user.created", { id: "user_exists", version: 1 }))).toEqual({
    status: 200,
    body: { message: "User already exists", user: row },
  });
});

it("an old update that arrives last changes nothing", async () => {
  await sendAndWait(userEvent("user.updated", { id: "user_late", version: 9, firstName: "New" }));
  await sendAndWait(userEvent("user.updated", { id: "user_late", version: 3, firstName: "Old" }));
  expect(await rowOf("user_late")).toMatchObject({ name: "New Lovelace" });
});

it("an update after the delete does not bring the user back, neither here nor in Auth", async () => {
  await sendAndWait(userEvent("user.created", { id: "user_dead", version: 1 }));
  await sendAndWait(deletedEvent({ id: "user_dead", version: 2 }));
  await sendAndWait(userEvent("user.updated", { id: "user_dead", version: 99 }));
  expect(await rowOf("user_dead")).toBeUndefined();
  expect(await server.one("select 1 from auth.users where id = $1", [authUserIdOf("user_dead")])).toBeUndefined();
});

it("a role in unsafe_metadata makes nobody admin", async () => {
  await sendAndWait(userEvent("user.created", { id: "user_unsafe", version: 1, unsafeRole: "admin" }));
  expect(await rowOf("user_unsafe")).toMatchObject({ role: "user" });
});

it("the signature is checked over the bytes that came, not over a re-serialised body", async () => {
  const text = JSON.stringify(userEvent("user.created", { id: "user_amp", version: 1, firstName: "A & B" }));
  const body = new TextEncoder().encode(text.replace("A & B", "A \\u0026 B"));
  expect((await postBody(server.settings, body)).status).toBe(202);
  await server.quiet();
  expect(await rowOf("user_amp")).toMatchObject({ name: "A & B Lovelace" });
});

it("a NUL and half a surrogate pair in a name cost these characters, not the event", async () => {
  const text = JSON.stringify(userEvent("user.created", { id: "user_nul", version: 1, firstName: "NAME" }));
  const body = new TextEncoder().encode(text.replace("NAME", "Z\\u0000o\\ud83de\\ud83d\\ude00"));
  expect((await postBody(server.settings, body)).status).toBe(202);
  await server.quiet();
  expect(await rowOf("user_nul")).toMatchObject({ name: "Zoe😀 Lovelace" });
});

it("when the job cannot be stored the answer is 503, and the retry is stored", async () => {
  const event = userEvent("user.created", { id: "user_503", version: 1 });
  await server.pool.query("alter table job_queue rename to job_queue_away");
  const refused = await send(event, "msg_503");
  await server.pool.query("alter table job_queue_away rename to job_queue");
  expect(refused).toMatchObject({ status: 503, body: { error: "Failed to queue user creation" } });
  expect(await send(event, "msg_503")).toMatchObject({ status: 202 });
  await server.quiet();
  expect(await rowOf("user_503")).toBeDefined();
});
