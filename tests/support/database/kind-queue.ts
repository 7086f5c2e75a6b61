import { randomUUID } from "node:crypto";
import { createDatabase } from "#core/database/database.ts";
import type { ConfigurationFile } from "../../../mapping/configuration-schema.ts";
import { expandConfiguration } from "../../../mapping/expand-configuration.ts";
import { generateScript } from "../../../mapping/generate-schema.ts";
import { readTables } from "../../../mapping/read-mapping.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import type { JobRow } from "./queue.ts";
import { createTestDatabase, openPool, type TestDatabase } from "./test-database.ts";

type Row = Record<string, unknown>;
type Answer = { event_id: string; outcome: string; applied: string; left?: string };

/** An event about a record of any kind, as a function hands it to the database. */
export type KindEvent = {
  job_type: string;
  clerk_id: string;
  version: number;
  payload?: Row;
  event_id?: string;
  read_at?: string;
  source?: string;
};

/** A queue over users, organizations, memberships and roles in their default tables, driven as the service role. */
export type KindQueue = TestDatabase & {
  /** In one call of the webhook; returns what of each event is applied: no or all. */
  accept: (...events: readonly KindEvent[]) => Promise<string[]>;
  /** Stores events and applies nothing. */
  enqueue: (...events: readonly KindEvent[]) => Promise<void>;
  /** Runs what is due until nothing is; returns the statuses. */
  run: (options?: { limit?: number; now?: Date; canRead?: boolean }) => Promise<string[]>;
  rows: (sql: string, values?: unknown[]) => Promise<Row[]>;
  job: (eventId: string) => Promise<JobRow & Row>;
  /** The ids of memberships that have a row, in order. */
  members: () => Promise<string[]>;
};

export const plainTables: ConfigurationFile = { organizations: true, memberships: true, roles: true };

export async function createKindQueue(file: ConfigurationFile = plainTables, tables = ""): Promise<KindQueue> {
  const opened = await createTestDatabase();
  if (tables !== "") await opened.pool.query(tables);
  const configuration = expandConfiguration({ ...file, users: file.users ?? contractUsers });
  const client = await opened.pool.connect();
  const mapping = resolveMapping(configuration, await readTables(client, configuration));
  client.release();
  await opened.pool.query(`begin; ${generateScript(mapping)}; commit`);
  const service = openPool(opened.url, { max: 8, options: "-c role=service_role" });
  const call = createCallFunction(service);
  const database = createDatabase(call);
  const jobOf = ({ event_id = `msg_${randomUUID()}`, payload = {}, ...event }: KindEvent) => ({
    ...event,
    event_id,
    payload: { clerk_id: event.clerk_id, retry_count: 0, ...payload },
  });
  const rows = async (sql: string, values: unknown[] = []) => (await opened.pool.query<Row>(sql, values)).rows;
  const send = async (name: "clerk_sync_accept" | "clerk_sync_enqueue", events: readonly KindEvent[]) =>
    (await call(name, { p_jobs: events.map(jobOf) })) as Answer[];
  return {
    ...opened,
    rows,
    accept: async (...events) => (await send("clerk_sync_accept", events)).map(({ applied }) => applied),
    enqueue: async (...events) => {
      await send("clerk_sync_enqueue", events);
    },
    run: async ({ limit = 250, canRead = false } = {}) => {
      const done: string[] = [];
      for (;;) {
        const { jobs } = await database.runJobs({ limit, leaseSeconds: null, canRead, deleteBrake: null });
        if (jobs.length === 0) return done;
        done.push(...jobs.map(({ status }) => status));
      }
    },
    job: async (eventId) =>
      (await rows("select * from public.job_queue where event_id = $1", [eventId]))[0] as JobRow & Row,
    members: async () =>
      (await rows("select id from public.organization_memberships order by id")).map(({ id }) => String(id)),
    drop: async () => {
      await service.end();
      await opened.drop();
    },
  };
}

const contractUsers: NonNullable<ConfigurationFile["users"]> = {
  table: "public.users",
  key: "clerk_id",
  columns: { email: "email", name: "name" },
};
