import pg from "pg";
import type { NewJob } from "#core/database/database.ts";
import { atOnce, noPeer, type OpenPeer, type Peer, timed } from "./peer.ts";
import { toUserRow } from "./upsert-users.ts";

/** The pair of functions that blogs show. */
export const handWritten: Peer = {
  name: "hand-written",
  settings:
    "What blogs show: the webhook selects the event and then inserts it; the processor selects one pending job (for update skip locked, nothing else would be right with two), selects the user, inserts or updates it, and marks the job, one job per call; pool of 10.",
  open,
};

async function open(url: string, connections: number): Promise<OpenPeer> {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  await pool.query(
    `create table if not exists public.hand_jobs
       (id bigint generated always as identity primary key, event_id text unique, status text not null default 'pending',
        payload jsonb not null, created_at timestamptz not null default now())`,
  );
  await pool.query("create index if not exists hand_jobs_status on public.hand_jobs (status, created_at)");
  return {
    ...noPeer,
    take: (job) => take(pool, job),
    fill: (jobs) =>
      pool.query(
        `insert into public.hand_jobs (event_id, payload)
         select i.value ->> 'event_id', i.value from jsonb_array_elements($1::jsonb) as i`,
        [JSON.stringify(jobs)],
      ),
    drain: (workers, count) => drain(pool, workers, count),
    close: () => pool.end(),
  };
}

async function take(pool: pg.Pool, job: NewJob): Promise<void> {
  const { rowCount } = await pool.query("select id from public.hand_jobs where event_id = $1", [job.event_id]);
  if (rowCount !== 0) return;
  await pool.query("insert into public.hand_jobs (event_id, payload) values ($1, $2)", [job.event_id, job]);
}

async function drain(pool: pg.Pool, workers: number, count: number): Promise<number> {
  let done = 0;
  const work = async () => {
    while (await workOnce(pool)) done += 1;
  };
  const seconds = await timed(() => atOnce(workers, work));
  if (done !== count) throw new RangeError(`hand-written did ${done} of ${count} jobs`);
  return seconds;
}

/** False when nothing is pending. */
async function workOnce(pool: pg.Pool): Promise<boolean> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    const { rows } = await client.query<{ id: string; payload: NewJob }>(
      `select id, payload from public.hand_jobs where status = 'pending'
       order by created_at limit 1 for update skip locked`,
    );
    const [job] = rows;
    if (job !== undefined) {
      await applyJob(client, job.payload);
      await client.query("update public.hand_jobs set status = 'completed' where id = $1", [job.id]);
    }
    await client.query("commit");
    return job !== undefined;
  } finally {
    client.release();
  }
}

async function applyJob(client: pg.PoolClient, job: NewJob): Promise<void> {
  const { clerk_id, email, name, role, version } = toUserRow(job);
  const { rowCount } = await client.query("select id from public.users where clerk_id = $1", [clerk_id]);
  const values = [clerk_id, email, name, role, new Date(version)];
  await client.query(
    rowCount === 0
      ? "insert into public.users (clerk_id, email, name, role, updated_at) values ($1, $2, $3, $4, $5)"
      : "update public.users set email = $2, name = $3, role = $4, updated_at = $5 where clerk_id = $1",
    values,
  );
}
