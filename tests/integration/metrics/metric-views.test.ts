import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";
import { counts } from "../../support/metrics/metric-facts.ts";

const document = await readFile(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
const [examples = ""] = document.match(/(?<=```sql\n).*?(?=```)/s) ?? [];
const statements = examples.split("\n\n").map((statement): [string, string] => {
  const [comment = "", ...sql] = statement.trim().split("\n");
  return [comment.replace("-- ", ""), sql.join("\n")];
});
const views = ["queue_status", "dead_letter_groups", "recent_failures", "latency_by_hour", "drift_history"];

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
  await happen();
});
afterAll(() => queue?.drop());

/** Of each kind of thing that is counted, one or more. */
async function happen(): Promise<void> {
  for (const id of ["user_1", "user_2", "user_3", "user_4"]) {
    await queue.send(userEvent("user.created", { id, version: 1 }), `msg_${id}`);
  }
  const rules = { limit: 250, leaseSeconds: 60, canRead: false, deleteBrake: null } as const;
  const { token, mirror } = await queue.database.runJobs(rules);
  const idOf = (user: string) => mirror.find(({ clerk_id }) => clerk_id === user)?.job_id ?? "";
  await queue.database.settleJobs(
    token,
    [
      { job_id: idOf("user_1"), outcome: "completed", mirror: { outcome: "created" } },
      { job_id: idOf("user_2"), outcome: "retry", error: "auth_unavailable: 503" },
      { job_id: idOf("user_3"), outcome: "dead", error: "auth_rejected: no" },
      { job_id: idOf("user_4"), outcome: "dead", error: "auth_rejected: never" },
    ],
    [{ name: "auth", successes: 2, failures: 1, streak: 0 }],
  );
  await queue.pool.query(
    "update job_queue set created_at = processed_at - interval '4 seconds' where status = 'COMPLETED'",
  );
  await queue.pool.query("select clerk_sync_record_deliveries(now(), '[]', $1)", [
    '[{"name": "answers", "value": "202", "count": 4}, {"name": "signature_failures", "value": "signature_invalid", "count": 1}]',
  ]);
  const deletion = toJob(deletedEvent({ id: "user_5", version: 1 }), "msg_user_5");
  await queue.pool.query("select clerk_sync_accept($1)", [JSON.stringify([deletion])]); // leaves it to a worker
  await queue.pool.query("delete from job_queue where event_id = 'msg_user_5'");
  await queue.pool.query(
    `insert into clerk_sync.sync_runs (kind, status, counts, finished_at)
     values ('compare', 'COMPLETED', '{"read": 50, "missing": 2, "extra": 1}', now()), ('sweep', 'COMPLETED', '{}', now())`,
  );
  await queue.pool.query("select clerk_sync.roll_up(now() + interval '2 minutes')");
}

describe("the examples of docs/metrics.md", () => {
  it("show every view", () => {
    for (const view of views) expect(examples).toContain(`from clerk_sync.${view}`);
    expect(statements).toHaveLength(views.length);
  });

  it.each(statements)("%s", async (_, sql) => {
    expect((await queue.pool.query(sql)).rows).not.toHaveLength(0);
  });
});

it("the views say what happened", async () => {
  const rowsOf = async (sql: string) => (await queue.pool.query(sql)).rows;
  expect(await rowsOf("select status, jobs::int from clerk_sync.queue_status order by status")).toEqual([
    { status: "COMPLETED", jobs: 1 },
    { status: "DEAD", jobs: 2 },
    { status: "FAILED", jobs: 1 },
  ]);
  expect(await rowsOf("select code, jobs::int, users::int from clerk_sync.dead_letter_groups")).toEqual([
    { code: "auth_rejected", jobs: 2, users: 2 },
  ]);
  expect(
    await rowsOf("select clerk_id, next_run_at is null as over from clerk_sync.recent_failures order by 1"),
  ).toEqual([
    { clerk_id: "user_2", over: false },
    { clerk_id: "user_3", over: true },
    { clerk_id: "user_4", over: true },
  ]);
  expect(await rowsOf("select jobs::int, mean_seconds, p50_seconds from clerk_sync.latency_by_hour")).toEqual([
    { jobs: 1, mean_seconds: 4, p50_seconds: 3.75 },
  ]);
  expect(await rowsOf("select read::int, missing::int, stale::int, extra::int from clerk_sync.drift_history")).toEqual([
    { read: 50, missing: 2, stale: 0, extra: 1 },
  ]);
});

it("service_role reads every view, the API's other roles none", async () => {
  const client = await queue.pool.connect();
  for (const view of views) {
    await client.query("begin; set local role service_role");
    await client.query(`select * from clerk_sync.${view}`);
    await client.query("rollback; begin; set local role authenticated");
    await expect(client.query(`select * from clerk_sync.${view}`)).rejects.toThrow("permission denied");
    await client.query("rollback");
  }
  client.release();
});

it("what the database counts has the names and labels that the tests of the dashboard take for granted", async () => {
  const { rows } = await queue.pool.query(
    `select distinct name, (select array_agg(k order by k) from jsonb_object_keys(labels) as k) as labels
     from clerk_sync.metric_counts where grain = 'total'`,
  );
  const shapeOf = (name: string, labels: readonly string[]) => `${name}{${labels.toSorted()}}`;
  expect(rows.map(({ name, labels }) => shapeOf(name, labels ?? [])).sort()).toEqual(
    counts.map(({ name, labels }) => shapeOf(name, Object.keys(labels))).sort(),
  );
});
