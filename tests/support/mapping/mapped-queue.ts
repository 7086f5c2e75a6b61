import { randomUUID } from "node:crypto";
import type pg from "pg";
import { mapUser } from "#core/clerk/map-user.ts";
import { parseEvent } from "#core/clerk/parse-event.ts";
import { fieldsOf, type UserFields } from "#core/config/mapping.ts";
import { createDatabase } from "#core/database/database.ts";
import { createAcceptEvents } from "#core/webhook/accept-events.ts";
import { checkTable } from "../../../mapping/check-table.ts";
import { generateScript } from "../../../mapping/generate-schema.ts";
import type { Mapping } from "../../../mapping/mapping.ts";
import { readRows } from "../../../mapping/read-rows.ts";
import { readTable } from "../../../mapping/read-table.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { payloadKey } from "../../../mapping/sources.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { type JobRow, toJob } from "../database/queue.ts";
import { createTestDatabase, openPool, type TestDatabase } from "../database/test-database.ts";
import { configureUsers, type UsersFile } from "./configure-users.ts";

export type Row = Record<string, unknown>;

/** The queue over the table of a team, driven as the service role through webhook and worker. */
export type MappedQueue = TestDatabase & {
  mapping: Mapping;
  /** What PostgreSQL logged of the calls of the service role. */
  notices: string[];
  /** Hands events to the webhook, each in a call of its own. */
  accept: (...events: readonly unknown[]) => Promise<string[]>;
  acceptAs: (eventId: string, event: unknown) => Promise<string>;
  /** Stores an event without applying it. */
  enqueueAs: (eventId: string, event: unknown) => Promise<void>;
  /** Hands users over as a walk through Clerk's list does, and applies them. */
  readAgain: (events: readonly unknown[]) => Promise<void>;
  /** Ends the connections of the service role; the database stays. */
  end: () => Promise<void>;
  /** Hands them over in one call. */
  acceptTogether: (...events: readonly unknown[]) => Promise<string[]>;
  /** Stores events without applying them, and lets a worker apply them in one batch. */
  work: (...events: readonly unknown[]) => Promise<JobRow[]>;
  /** Runs what is due, and what that makes due. */
  run: () => Promise<string[]>;
  rows: (order?: string) => Promise<Row[]>;
  job: (eventId: string) => Promise<JobRow>;
  state: (clerkId: string) => Promise<Row | undefined>;
  /** What a compare with Clerk finds; p_users of an event each. */
  compare: (...events: readonly unknown[]) => Promise<unknown>;
};

/** Makes the table of a team, then what a migration generates for its file. The contract's table is out of the way. */
export async function createMappedDatabase(
  ddl: string,
  file: UsersFile,
  before = "",
): Promise<TestDatabase & { mapping: Mapping }> {
  const opened = await createTestDatabase();
  await opened.pool.query(`create schema contract; alter table public.users set schema contract; ${before}; ${ddl}`);
  return { ...opened, mapping: await applyFile(opened.pool, file) };
}

/** The queue over such a table. */
export async function createMappedQueue(ddl: string, file: UsersFile, before = ""): Promise<MappedQueue> {
  const { mapping, ...opened } = await createMappedDatabase(ddl, file, before);
  return openMappedQueue(opened, mapping);
}

/** Resolves the file against the real table, which must have no problem, and applies what is generated. */
export async function applyFile(pool: pg.Pool, file: UsersFile): Promise<Mapping> {
  const client = await pool.connect();
  try {
    const configuration = configureUsers(file);
    const facts = await readTable(client, configuration.users.table);
    if (facts === null) throw new Error("no table");
    const problems = checkTable(configuration, facts, await readRows(client, configuration, facts));
    if (problems.length > 0) throw new Error(JSON.stringify(problems));
    const mapping = resolveMapping(configuration, { users: facts });
    await client.query(`begin; ${generateScript(mapping)}; commit`);
    return mapping;
  } finally {
    client.release();
  }
}

/** The queue over a mapping that was applied. */
export function openMappedQueue(opened: TestDatabase, mapping: Mapping): MappedQueue {
  const { pool } = opened;
  const fields = readFields(mapping);
  // far from UTC, which a session need not have
  const options = "-c role=service_role -c client_min_messages=log -c timezone=America/New_York";
  const service = openPool(opened.url, { max: 4, options });
  const notices: string[] = [];
  service.on("connect", (client) => {
    client.on("notice", ({ message, detail }) => notices.push(`${message} ${detail ?? ""}`));
  });
  const call = createCallFunction(service);
  const database = createDatabase(call);
  const acceptEvents = createAcceptEvents({ call, apply: { mirrors: false } });
  const one = async (sql: string, values: unknown[]) => (await pool.query<Row>(sql, values)).rows[0];
  const acceptTogether = async (...events: readonly unknown[]) => {
    const jobs = events.map((event) => toJob(event, `msg_${randomUUID()}`, fields));
    const accepted = await call("clerk_sync_accept", { p_jobs: jobs });
    return (accepted as { applied: string }[]).map(({ applied }) => applied);
  };
  const acceptAs = async (eventId: string, event: unknown) => {
    const [accepted] = await acceptEvents([toJob(event, eventId, fields)], 15);
    return accepted?.applied ?? "";
  };
  const run = async () => {
    const done: string[] = [];
    for (;;) {
      const { jobs } = await database.runJobs({ limit: 250, leaseSeconds: null, canRead: false, deleteBrake: null });
      if (jobs.length === 0) return done;
      done.push(...jobs.map(({ status }) => status));
    }
  };
  return {
    ...opened,
    mapping,
    notices,
    run,
    acceptTogether,
    acceptAs,
    enqueueAs: async (eventId, event) => {
      await database.enqueue([toJob(event, eventId, fields)], 15);
    },
    readAgain: async (events) => {
      const read_at = new Date().toISOString();
      const jobs = events.map((event) => {
        const { clerk_id, version, payload } = readUser(event, fields);
        const job = { job_type: "USER_UPDATED", clerk_id, version, source: "reconcile", read_at } as const;
        return { ...job, event_id: `reconcile_${randomUUID()}`, payload: { ...payload, retry_count: 0 } };
      });
      await database.enqueue(jobs, 15);
      await run();
    },
    end: () => service.end(),
    accept: async (...events) => {
      const applied: string[] = [];
      for (const event of events) applied.push(await acceptAs(`msg_${randomUUID()}`, event));
      return applied;
    },
    work: async (...events) => {
      const jobs = events.map((event) => toJob(event, `msg_${randomUUID()}`, fields));
      await database.enqueue(jobs, 15);
      await run();
      const ids = jobs.map(({ event_id }) => event_id);
      const { rows } = await pool.query<JobRow>(
        "select * from public.job_queue where event_id = any ($1) order by array_position($1, event_id)",
        [ids],
      );
      return rows;
    },
    rows: async (order = "1") => {
      const { schema, name } = mapping.users.table;
      return (await pool.query<Row>(`select * from "${schema}"."${name}" order by ${order}`)).rows;
    },
    job: async (eventId) => (await one("select * from public.job_queue where event_id = $1", [eventId])) as JobRow,
    state: (clerkId) => one("select * from clerk_sync.known_users where clerk_id = $1", [clerkId]),
    compare: (...events) => {
      const users = events.map((event) => readUser(event, fields));
      return call("clerk_sync_compare_users", { p_users: users });
    },
    drop: async () => {
      if (!service.ended) await service.end();
      await opened.drop();
    },
  };
}

/** What the functions at run time would fill for it. */
export function readFields({ hash, users }: Mapping, mirrors = false): UserFields {
  const fields = users.columns.map(({ source }) => payloadKey(source)).filter((key) => key !== null);
  return fieldsOf({ hash, users: { fields } }, mirrors);
}

/** A user as a page of Clerk's list has them at the time of this event. */
function readUser(event: unknown, fields: UserFields) {
  const parsed = parseEvent(new TextEncoder().encode(JSON.stringify(event)));
  if (parsed.type !== "user.created" && parsed.type !== "user.updated") throw new Error("no user");
  return { clerk_id: parsed.user.id, version: parsed.version, payload: mapUser(parsed.user, fields) };
}
