import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterAll(() => queue?.drop());

it("every change of state is recorded with its time, also one made by hand", async () => {
  await queue.send(userEvent("user.created", { id: "user_h", version: 1 }), "msg_h");
  await queue.pool.query("update public.job_queue set status = 'CANCELLED' where event_id = 'msg_h'");
  await queue.pool.query("update public.job_queue set status = 'PENDING', history = '[]' where event_id = 'msg_h'");
  await queue.run();
  const { attempts, history } = await queue.job("msg_h");
  expect(attempts).toBe(1);
  expect(history.map((entry) => [entry.status, entry.attempt])).toEqual([
    ["PENDING", 0],
    ["CANCELLED", 0],
    ["PENDING", 0],
    ["COMPLETED", 1],
  ]);
  const times = history.map((entry) => Date.parse(entry.at));
  expect(times).toEqual([...times].sort());
});

it("a job made by hand, by the columns everybody knows, is processed", async () => {
  await queue.pool.query(
    `insert into public.job_queue (job_type, payload)
     values ('USER_CREATED', '{"clerk_id": "user_hand", "email": "hand@example.com", "name": "By Hand", "user_role": "user"}')`,
  );
  expect(await queue.run()).toEqual(["COMPLETED"]);
  expect(await queue.user("user_hand")).toMatchObject({ email: "hand@example.com", name: "By Hand" });
});

it("a job set to PROCESSING by hand is freed like any other", async () => {
  await queue.send(userEvent("user.created", { id: "user_stuck", version: 1 }), "msg_stuck");
  await queue.pool.query(
    "update public.job_queue set status = 'PROCESSING', updated_at = now() - interval '2 hours' where event_id = 'msg_stuck'",
  );
  expect(await queue.database.rescueJobs()).toBe(1);
});

it("an unknown status or type is refused", async () => {
  await expect(
    queue.pool.query("insert into public.job_queue (job_type) values ('USER_RENAMED')"),
  ).rejects.toMatchObject({
    constraint: "job_type_is_known",
  });
  await expect(queue.pool.query("update public.job_queue set status = 'DONE'")).rejects.toMatchObject({
    constraint: "status_is_known",
  });
});

it("the monitoring queries that people run answer as they are", async () => {
  const queries = (await readFile(new URL("../../fixtures/monitoring-queries.sql", import.meta.url), "utf8")).split(
    ";",
  );
  const [counts, failures, stuck] = queries;
  await queue.pool.query(
    `insert into job_queue (job_type, status, updated_at) values ('USER_UPDATED', 'PROCESSING', now() - interval '2 hours')`,
  );
  await queue.pool.query(
    `insert into job_queue (job_type, status, error) values ('USER_DELETED', 'FAILED', 'auth_unavailable: x')`,
  );
  const completed = (await queue.pool.query(counts ?? "")).rows.find((row) => row.status === "COMPLETED");
  expect(Number(completed.count)).toBeGreaterThan(0);
  expect(Number(completed.avg_processing_seconds)).toBeGreaterThan(0);
  expect((await queue.pool.query(failures ?? "")).rows).toContainEqual({
    job_type: "USER_DELETED",
    error: "auth_unavailable: x",
    count: "1",
  });
  expect((await queue.pool.query(stuck ?? "")).rows).toHaveLength(1);
});
