import { randomUUID } from "node:crypto";
import type pg from "pg";
import { mapEvent } from "#core/clerk/map-event.ts";
import { parseEvent } from "#core/clerk/parse-event.ts";
import { type AcceptedEvent, createDatabase, type Database, type NewJob } from "#core/database/database.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { rootFields } from "../clerk/root-fields.ts";
import { createTestDatabase, type TestDatabase } from "./test-database.ts";

export type JobRow = {
  id: string;
  job_type: string;
  status: string;
  source: string;
  error: string | null;
  result: Record<string, unknown> | null;
  payload: Record<string, unknown>;
  attempts: number;
  run_at: Date;
  processed_at: Date | null;
  history: { at: string; status: string; attempt: number; error?: string }[];
};

/** The queue of one test database, driven through the same door and mapping as in production. */
export type Queue = TestDatabase & {
  database: Database;
  send: (event: unknown, eventId?: string) => Promise<AcceptedEvent>;
  sendAll: (events: readonly unknown[]) => Promise<void>;
  /** Runs what is due without a mirror; returns the statuses in no order. */
  run: (options?: { limit?: number }) => Promise<string[]>;
  job: (eventId: string) => Promise<JobRow>;
  user: (clerkId: string) => Promise<Record<string, unknown> | undefined>;
  state: (clerkId: string) => Promise<Record<string, unknown> | undefined>;
  one: (sql: string, values?: unknown[]) => Promise<Record<string, unknown> | undefined>;
};

export async function createQueue(): Promise<Queue> {
  const opened = await createTestDatabase();
  const database = createDatabase(createCallFunction(opened.pool));
  const one = (sql: string, values: unknown[] = []) => first(opened.pool, sql, values);
  return {
    ...opened,
    database,
    one,
    send: async (event, eventId = `msg_${randomUUID()}`) => {
      const [enqueued] = await database.enqueue([toJob(event, eventId)], 15);
      if (enqueued === undefined) throw new Error("nothing was enqueued");
      return enqueued;
    },
    sendAll: async (events) => {
      await database.enqueue(
        events.map((event) => toJob(event, `msg_${randomUUID()}`)),
        15,
      );
    },
    run: async ({ limit = 250 } = {}) => {
      const batch = await database.runJobs({
        limit,
        leaseSeconds: null,
        canRead: false,
        deleteBrake: null,
      });
      return batch.jobs.map((job) => job.status);
    },
    job: async (eventId) => (await one("select * from public.job_queue where event_id = $1", [eventId])) as JobRow,
    user: (clerkId) => one("select * from public.users where clerk_id = $1", [clerkId]),
    state: (clerkId) => one("select * from clerk_sync.known_users where clerk_id = $1", [clerkId]),
  };
}

/** The job the webhook would store for this event. */
export function toJob(event: unknown, eventId: string, fields = rootFields): NewJob {
  const parsed = parseEvent(new TextEncoder().encode(JSON.stringify(event)));
  if (parsed.type === "unhandled") throw new Error(`${parsed.name} is not handled`);
  return mapEvent(parsed, eventId, fields);
}

async function first(pool: pg.Pool, sql: string, values: unknown[]): Promise<Record<string, unknown> | undefined> {
  return (await pool.query<Record<string, unknown>>(sql, values)).rows[0];
}
