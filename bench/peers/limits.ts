import pg from "pg";
import { createDatabase, type NewJob } from "#core/database/database.ts";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { createCallFunction } from "../../server/call-function.ts";
import { openPool } from "../open-database.ts";
import { atOnce, noPeer, type Peer, slices, timed, writeSlices } from "./peer.ts";
import { queryOf, toUserRow, upsertUsers } from "./upsert-users.ts";

const rowsPerStatement = 500;

/** The most a server can take that checks the signature and stores nothing. */
export const bareHttp: Peer = {
  name: "bare HTTP",
  settings: "The same HTTP server and signature check, and the event is parsed and mapped; nothing is stored.",
  open: async () => ({ ...noPeer, take: async () => undefined }),
};

/** What pgbench measures: one insert a commit. */
export const singleInserts: Peer = {
  name: "single inserts",
  settings: "No HTTP: one prepared insert of the job (key, payload) per commit over so many connections.",
  open: async (url, connections) => {
    const pool = new pg.Pool({ connectionString: url, max: connections });
    await pool.query("create table if not exists public.events (event_id text primary key, payload jsonb not null)");
    const text = "insert into public.events (event_id, payload) values ($1, $2)";
    return {
      ...noPeer,
      take: (job) => pool.query({ name: "insert", text, values: [job.event_id, job.payload] }),
      close: () => pool.end(),
    };
  },
};

/** The most a queue could drain: the rows written with no queue at all. */
export const plainUpsert: Peer = {
  name: "plain upsert",
  settings: `No queue: the rows are upserted from memory, ${rowsPerStatement} a statement, over a connection for each worker.`,
  open: async (url, connections) => {
    const pool = new pg.Pool({ connectionString: url, max: connections });
    let jobs: readonly NewJob[] = [];
    return {
      ...noPeer,
      fill: async (given) => {
        jobs = [...jobs, ...given];
      },
      drain: (workers) => {
        const given = jobs;
        jobs = [];
        return writeSlices(given, { size: rowsPerStatement, workers }, (slice) =>
          upsertUsers(queryOf(pool), slice.map(toUserRow)),
        );
      },
      close: () => pool.end(),
    };
  },
};

const batchSize = 250;

/** The most PostgreSQL could do of our own work: the rows that a drain leaves behind, and nothing asked or compared. */
export const writesAlone: Peer = {
  name: "the same writes alone",
  settings: `What clerk-sync leaves behind, written by one statement for ${batchSize} jobs whose ids are known: the job completed with its history, the row of users, the state beside it, with all their indexes. Nothing is claimed, locked, compared or reported, nor is the disk waited for.`,
  open: async (url, connections) => {
    const pool = openPool(url, connections);
    const database = createDatabase(createCallFunction(pool));
    let ids: string[] = [];
    return {
      ...noPeer,
      fill: async (jobs) => {
        for (const slice of slices(jobs, 500))
          ids = ids.concat((await database.enqueue(slice, 15)).flatMap(({ job_id }) => job_id ?? []));
      },
      drain: (workers) => {
        const given = ids;
        ids = [];
        return writeSlices(given, { size: batchSize, workers }, (slice) => write(pool, slice));
      },
      close: () => pool.end(),
    };
  },
};

/** As ours: the trigger does not write the history once more, and nobody waits for the disk. */
async function write(pool: pg.Pool, ids: readonly string[]): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("begin; set local clerk_sync.recorded = 'update'; set local synchronous_commit = off");
    await client.query(statement, [ids]);
    await client.query("commit");
  } finally {
    client.release();
  }
}

const statement = `
  with done as (
    update public.job_queue as j
    set status = 'COMPLETED', attempts = 1, processed_at = now(), updated_at = now(), result = '{"applied": true}',
        history = j.history || jsonb_build_object('at', now(), 'status', 'COMPLETED', 'attempt', 1)
    where j.id = any ($1::uuid[])
    returning j.clerk_id, j.version, j.payload
  ),
  newest as (
    select distinct on (d.clerk_id) d.*
    from done as d
    order by d.clerk_id, d.version desc
  ),
  state as (
    insert into clerk_sync.records as r (id, version, last_synced_at, first_seen_at)
    select n.clerk_id, n.version, now(), now()
    from newest as n
    on conflict (id) do update
      set version = excluded.version, last_synced_at = excluded.last_synced_at
  )
  insert into public.users as u (clerk_id, email, name, role)
  select n.clerk_id, n.payload ->> 'email', n.payload ->> 'name', 'user'
  from newest as n
  on conflict (clerk_id) do update
    set email = excluded.email, name = excluded.name, updated_at = now(), "updatedAt" = now()`;

/** As many calls at once as the mirror of one worker makes. */
const callsAtOnce = 10;

/** The most a mirror could do: its calls alone. `BENCH_AUTH_URL` says where Supabase Auth is. */
export const authCalls: Peer = {
  name: "Auth calls alone",
  settings: `No queue and no database: one call for each user, ${callsAtOnce} at once for each worker.`,
  open: async () => {
    const auth = createAuthAdmin({ supabaseUrl: process.env["BENCH_AUTH_URL"] ?? "", secretKey: "sb_secret_bench" });
    let jobs: NewJob[] = [];
    return {
      ...noPeer,
      fill: async (given) => {
        jobs = [...jobs, ...given];
      },
      drain: (workers) => {
        const left = jobs.values();
        jobs = [];
        return timed(() =>
          atOnce(workers * callsAtOnce, async () => {
            for (const job of left) await auth.createUser(toInput(job));
          }),
        );
      },
    };
  },
};

function toInput(job: NewJob) {
  const { clerk_id, email, name, role } = toUserRow(job);
  const metadata = { clerk_id, role };
  return {
    id: crypto.randomUUID(),
    email: email ?? "",
    email_confirm: true,
    app_metadata: metadata,
    user_metadata: { ...metadata, full_name: name },
  } as const;
}
