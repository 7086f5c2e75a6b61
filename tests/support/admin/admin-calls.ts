import type { z } from "zod";
import type { Queue } from "../database/queue.ts";

/** Calls clerk_sync_admin_<name> with named arguments; the answer must be exactly of this shape. */
export async function callAdmin<T>(
  queue: Queue,
  schema: z.ZodType<T>,
  name: string,
  args: Record<string, unknown> = {},
): Promise<T> {
  return schema.parse(await callRaw(queue, name, args));
}

/** The same, unchecked. Objects and arrays go as JSON. */
export async function callRaw(queue: Queue, name: string, args: Record<string, unknown> = {}): Promise<unknown> {
  const names = Object.keys(args).map((key, place) => `${key} => $${place + 1}`);
  const values = Object.values(args).map((value) =>
    typeof value === "object" && value !== null ? JSON.stringify(value) : value,
  );
  return (await queue.one(`select public.clerk_sync_admin_${name}(${names.join()}) as answer`, values))?.["answer"];
}

/** A job as it is after real work; what is left out is as the queue makes it. */
export type GivenJob = {
  id?: string;
  event_id?: string;
  clerk_id?: string;
  job_type?: string;
  status?: string;
  source?: string;
  error?: string;
  created_at?: string;
  payload?: object;
};

/** Puts a job into the queue in any state; answers its id. */
export async function insertJob(queue: Queue, job: GivenJob): Promise<string> {
  const given = { job_type: "USER_CREATED", status: "PENDING", source: "webhook", payload: {}, ...job };
  const columns = Object.keys(given);
  const row = await queue.one(
    `insert into public.job_queue (${columns.join()}) values (${columns.map((_, place) => `$${place + 1}`).join()}) returning id`,
    Object.values(given),
  );
  return String(row?.["id"]);
}

/** Leaves nothing behind for the next test, where one database serves a whole file. */
export async function clearQueue(queue: Queue): Promise<void> {
  await queue.pool.query(
    "truncate public.job_queue, public.users, clerk_sync.records, clerk_sync.user_state, clerk_sync.audit",
  );
}
