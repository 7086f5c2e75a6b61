import { deletedEvent, userEvent } from "../support/clerk/build-event.ts";
import { expect, newClerkId, test } from "./system.ts";

test("each kind of event becomes a job of its type, with its priority and payload", async ({ system }) => {
  const id = newClerkId();
  await system.send(userEvent("user.created", { id, version: 1 }));
  await system.send(userEvent("user.updated", { id, version: 2 }));
  await system.settled(id);
  const [created] = await system.jobs(id);
  expect(created?.["payload"]).toMatchObject({
    clerk_id: id,
    email: `${id.toLowerCase()}@example.com`,
    name: "Ada Lovelace",
    user_role: "user",
    original_event: { type: "user.created", data: { id } },
    created_at: expect.any(String),
    retry_count: 0,
  });
  expect(JSON.stringify(created)).not.toContain("private_metadata");

  await system.send(deletedEvent({ id, version: 3 }));
  await system.settled(id);
  const jobs = await system.jobs(id);
  expect(jobs.map((job) => [job["job_type"], job["priority"], job["status"]])).toEqual([
    ["USER_CREATED", 2, "COMPLETED"],
    ["USER_UPDATED", 1, "COMPLETED"],
    ["USER_DELETED", 1, "COMPLETED"],
  ]);
  expect(JSON.stringify(jobs)).not.toContain("@example.com");
});

test("the job named in the answer is the job in the queue, and its history has the time of every step", async ({
  system,
}) => {
  const id = newClerkId();
  const { body } = await system.send(userEvent("user.created", { id, version: 1 }));
  await system.settled(id);
  const [job] = await system.query("select * from job_queue where id = $1", [body["jobId"]]);
  expect(job).toMatchObject({ clerk_id: id, attempts: 1, result: { applied: true, mirror: { outcome: "created" } } });
  const history = job?.["history"] as { at: string; status: string }[];
  expect(history.map((entry) => entry.status)).toEqual(["PENDING", "PROCESSING", "COMPLETED"]);
  for (const entry of history) expect(Date.parse(entry.at)).toBeGreaterThan(0);
});

test("the processor answers what it did, and that nothing is due when nothing is", async ({ request, system }) => {
  const id = newClerkId();
  await system.send(userEvent("user.created", { id, version: 1 }));
  await system.settled(id);
  const response = await request.post(`${system.settings.url}/functions/v1/user-job-processor`, {
    headers: { authorization: `Bearer ${system.settings.secretKey}` },
  });
  expect(response.status()).toBe(200);
  expect(await response.json()).toEqual({
    success: true,
    message: "No pending jobs",
    processed: 0,
    completed: 0,
    failed: 0,
    dead: 0,
    jobs: [],
  });
});

test("a repeated delivery makes no second job", async ({ system }) => {
  const id = newClerkId();
  const event = userEvent("user.updated", { id, version: 1 });
  expect((await system.send(event, `msg_${id}`)).status).toBe(202);
  expect(await system.send(event, `msg_${id}`)).toEqual({ status: 200, body: { message: "Duplicate event" } });
  await system.settled(id);
  expect(await system.jobs(id)).toHaveLength(1);
});

test("a delete that names nobody is accepted and waits as a dead letter", async ({ system }) => {
  const { status, body } = await system.send(deletedEvent({ version: 1 }));
  expect(status).toBe(202);
  const [job] = await system.query("select status, error from job_queue where id = $1", [body["jobId"]]);
  expect(job).toEqual({ status: "DEAD", error: "user_unknown: user.deleted came with neither id nor external_id" });
});

test("a hundred users at once are all in step, in users and in Auth", async ({ system }) => {
  const ids = Array.from({ length: 100 }, newClerkId);
  const answers = await Promise.all(ids.map((id) => system.send(userEvent("user.created", { id, version: 1 }))));
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]));
  await expect
    .poll(async () => {
      const [row] = await system.query(
        `select count(*)::int as n from users as u
         join auth.users as a on a.raw_app_meta_data ->> 'clerk_id' = u.clerk_id and a.email = u.email
         where u.clerk_id = any($1)`,
        [ids],
      );
      return row?.["n"];
    })
    .toBe(100);
});
