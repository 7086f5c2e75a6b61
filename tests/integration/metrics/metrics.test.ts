import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createMetricsResponse } from "#core/metrics/metrics-response.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { createMetrics } from "../../../server/metrics.ts";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { fixtureBytes } from "../../support/clerk/clerk-fixture.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { type ReadMetrics, readMetrics } from "../../support/metrics/read-metrics.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { postEvent, postUnsigned } from "../../support/webhook/post-event.ts";

const token = "0123456789abcdef-metrics";

describe("over HTTP", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ METRICS_TOKEN: token });
  });
  afterAll(() => server?.stop());

  const ask = (headers: Record<string, string> = {}) => fetch(`${server.settings.url}/metrics`, { headers });
  const scrape = async () => readMetrics(await (await ask({ authorization: `Bearer ${token}` })).text());

  it("METRICS_TOKEN and the secret key may read, nobody else, and the token opens nothing else", async () => {
    const statuses = await Promise.all(
      [
        {},
        { authorization: "Bearer 0123456789abcdef" },
        { authorization: `Bearer ${token}` },
        { apikey: server.settings.secretKey },
      ].map(async (headers) => (await ask(headers)).status),
    );
    expect(statuses).toEqual([401, 401, 200, 200]);
    const processor = await fetch(`${server.settings.url}/functions/v1/user-job-processor`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
    });
    expect(processor.status).toBe(401);
  });

  it("the answer is in Prometheus' text format and has the process's metrics", async () => {
    const response = await ask({ authorization: `Bearer ${token}` });
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const metrics = readMetrics(await response.text());
    expect(metrics.valueOf("process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
    expect(metrics.valueOf("clerk_sync_info", { schema_version: "20261130000000" })).toBe(1);
    expect(metrics.valueOf("clerk_sync_health_status", { status: "healthy" })).toBe(1);
  });

  it("what was sent, refused and mirrored is what is counted", async () => {
    const ids = ["user_a", "user_b", "user_c"];
    for (const id of ids) await postEvent(server.settings, userEvent("user.created", { id, version: 1 }));
    await postEvent(server.settings, userEvent("user.updated", { id: "user_a", version: 2 }), "msg_a2");
    await postEvent(server.settings, userEvent("user.updated", { id: "user_a", version: 2 }), "msg_a2");
    await server.quiet();
    await postEvent(server.settings, deletedEvent({ id: "user_b", version: 3 }));
    await postUnsigned(server.settings, fixtureBytes("user.created"));
    await postUnsigned(server.settings, fixtureBytes("user.created"), { "svix-id": "msg_1" });
    await server.quiet();
    await expect
      .poll(async () => (await scrape()).valueOf("clerk_sync_webhook_answers_total", { status: "401" }))
      .toBe(2);
    await server.one("select clerk_sync.roll_up(now() + interval '2 minutes')");
    const metrics = await scrape();
    expect(metrics.valueOf("clerk_sync_webhook_answers_total", { status: "202" })).toBe(5);
    expect(metrics.valueOf("clerk_sync_webhook_answers_total", { status: "200" })).toBe(1);
    expect(metrics.valueOf("clerk_sync_signature_failures_total", { code: "signature_missing" })).toBe(2);
    expect(metrics.valueOf("clerk_sync_jobs_finished_total", { status: "COMPLETED", type: "USER_CREATED" })).toBe(3);
    expect(metrics.valueOf("clerk_sync_attempts_total", { outcome: "completed" })).toBe(5);
    expect(metrics.valueOf("clerk_sync_job_latency_seconds_count", { source: "webhook" })).toBe(5);
    expect(metrics.valueOf("clerk_sync_job_processing_seconds_count")).toBe(5);
    expect(metrics.valueOf("clerk_sync_mirrored_total", { outcome: "created" })).toBe(3);
    expect(metrics.valueOf("clerk_sync_mirrored_total", { outcome: "deleted" })).toBe(1);
    // The two events of user_a need one call where a worker takes both together.
    expect([4, 5]).toContain(
      metrics.valueOf("clerk_sync_service_calls_total", { service: "auth", outcome: "success" }),
    );
    expect(metrics.valueOf("clerk_sync_users")).toBe(2);
    expect(metrics.valueOf("clerk_sync_heartbeat_age_seconds", { part: "worker" })).toBeLessThan(60);
  });
});

describe("from the database", () => {
  let queue: Queue;
  beforeEach(async () => {
    queue = await createQueue();
  });
  afterEach(() => queue?.drop());

  async function scrape(): Promise<ReadMetrics> {
    const response = await createMetricsResponse(createCallFunction(queue.pool))();
    expect(response.status).toBe(200);
    return readMetrics(await response.text());
  }

  const rollUp = () => queue.pool.query("select clerk_sync.roll_up(now() + interval '2 minutes')");
  const leaseRules = { limit: 250, leaseSeconds: 60, canRead: false, deleteBrake: null } as const;

  it("failures and dead letters are counted by code, and what waits by status and type", async () => {
    for (const id of ["user_1", "user_2", "user_3"]) {
      await queue.send(userEvent("user.created", { id, version: 1 }), `msg_${id}`);
    }
    const { token, mirror } = await queue.database.runJobs(leaseRules);
    const [first, second, third] = mirror.map(({ job_id }) => job_id);
    await queue.database.settleJobs(
      token,
      [
        { job_id: first ?? "", outcome: "retry", error: "auth_unavailable: 503", circuit: "auth" },
        { job_id: second ?? "", outcome: "dead", error: "auth_rejected: no" },
        { job_id: third ?? "", outcome: "released" },
      ],
      [{ name: "auth", successes: 1, failures: 1, streak: 1, code: "auth_unavailable" }],
    );
    await queue.pool.query("update job_queue set run_at = now() - interval '90 seconds' where status = 'FAILED'");
    const metrics = await scrape();
    const type = "USER_CREATED";
    expect(metrics.valueOf("clerk_sync_failed_attempts_total", { code: "auth_unavailable" })).toBe(1);
    expect(metrics.valueOf("clerk_sync_failed_attempts_total", { code: "auth_rejected" })).toBe(1);
    expect(metrics.valueOf("clerk_sync_dead_letters_total", { code: "auth_rejected" })).toBe(1);
    expect(metrics.valueOf("clerk_sync_dead_letters_total", { code: "auth_unavailable" })).toBeNull();
    expect(metrics.valueOf("clerk_sync_attempts_total", { outcome: "failed" })).toBe(2);
    for (const status of ["FAILED", "DEAD", "PENDING"]) {
      expect(metrics.valueOf("clerk_sync_jobs", { status, type }), status).toBe(1);
    }
    expect(metrics.valueOf("clerk_sync_service_calls_total", { service: "auth", outcome: "failure" })).toBe(1);
    expect(metrics.valueOf("clerk_sync_oldest_due_age_seconds")).toBeGreaterThanOrEqual(90);
    expect(metrics.valueOf("clerk_sync_health_reason", { code: "dead_letters", status: "degraded" })).toBe(1);
  });

  it("circuit, brake, silence and drift are shown as they are", async () => {
    await queue.pool.query("update clerk_sync.circuits set probe_at = now() + interval '1 hour' where name = 'auth'");
    await queue.pool.query(
      "update clerk_sync.delete_brake set engaged_at = now(), reason = 'too many' where kind = 'user'",
    );
    await queue.pool.query("update clerk_sync.silence set changed_at = now() - interval '20 minutes'");
    await queue.pool.query(
      `insert into clerk_sync.sync_runs (kind, status, counts, finished_at)
       values ('compare', 'COMPLETED', '{"read": 50, "missing": 2, "unmirrored": 3, "auth_missing": 4, "enqueued": 5}', now()),
              ('sweep', 'FAILED', '{}', now())`,
    );
    const metrics = await scrape();
    expect(metrics.valueOf("clerk_sync_circuit_state", { service: "auth", state: "open" })).toBe(1);
    expect(metrics.valueOf("clerk_sync_circuit_state", { service: "clerk", state: "open" })).toBe(0);
    expect(metrics.valueOf("clerk_sync_delete_brake_engaged")).toBe(1);
    expect(metrics.valueOf("clerk_sync_silence", { state: "suspected" })).toBe(1);
    expect(metrics.valueOf("clerk_sync_silence", { state: "confirmed" })).toBe(0);
    expect(metrics.valueOf("clerk_sync_drift_users", { kind: "missing" })).toBe(2);
    expect(metrics.valueOf("clerk_sync_drift_users", { kind: "stale" })).toBe(0);
    expect(metrics.valueOf("clerk_sync_drift_users", { kind: "unmirrored" })).toBe(3);
    expect(metrics.valueOf("clerk_sync_drift_users", { kind: "auth_missing" })).toBe(4);
    expect(metrics.valueOf("clerk_sync_compared_users")).toBe(50);
    expect(metrics.valueOf("clerk_sync_run_age_seconds", { kind: "compare" })).toBeLessThan(60);
    expect(metrics.valueOf("clerk_sync_run_failed", { kind: "sweep" })).toBe(1);
  });

  it("the buckets of a histogram are cumulative, and a value that is a bound is in that bucket", async () => {
    await queue.pool.query(
      `insert into job_queue (job_type, clerk_id, status, attempts, created_at, updated_at, processed_at)
       select 'USER_UPDATED', 'user_' || seconds, 'COMPLETED', 1, now() - make_interval(secs => seconds), now(), now()
       from unnest('{0, 5, 5.000001, 30000}'::float8[]) as seconds`,
    );
    await rollUp();
    const metrics = await scrape();
    const counts = ["0.01", "2.5", "5", "10", "21600", "+Inf"].map((le) =>
      metrics.valueOf("clerk_sync_job_latency_seconds_bucket", { source: "webhook", le }),
    );
    expect(counts).toEqual([1, 1, 2, 3, 3, 4]);
    expect(metrics.valueOf("clerk_sync_job_latency_seconds_sum", { source: "webhook" })).toBeCloseTo(30_010, 3);
  });

  it("no counter goes back, whatever is purged, retried or deleted", async () => {
    for (let place = 0; place < 5; place++) {
      await queue.send(userEvent("user.created", { id: `user_${place}`, version: 1 }), `msg_${place}`);
    }
    await queue.run({ limit: 3 });
    await queue.pool.query(
      "insert into clerk_sync.metric_events (at, name, labels) values (now(), 'dead', '{\"code\": \"auth_rejected\"}')",
    );
    await rollUp();
    const before = (await scrape()).counters();
    expect(before.get('clerk_sync_attempts_total[["outcome","completed"]]')).toBe(3);
    await queue.pool.query("select clerk_sync_purge_jobs(1, 5000, now() + interval '60 days')");
    await queue.pool.query("delete from job_queue");
    const after = (await scrape()).counters();
    for (const [key, value] of before) expect(after.get(key), key).toBeGreaterThanOrEqual(value);
  });

  it("the database down is said by 503, and by its code", async () => {
    const respond = createMetricsResponse(createCallFunction(queue.pool));
    await queue.pool.query("alter function clerk_sync_metrics rename to clerk_sync_gone");
    const response = await respond();
    expect([response.status, await response.json()]).toMatchObject([503, { code: "database_rejected" }]);
  });
});

it("without any key there are no metrics", () => {
  expect(createMetrics(async () => null, [])).toBeNull();
});
