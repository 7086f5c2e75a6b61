import type pg from "pg";
import { createDatabase } from "#core/database/database.ts";
import { createCallFunction } from "../../server/call-function.ts";
import { openPool } from "../open-database.ts";
import { noPeer, type Peer, slices, writeSlices } from "./peer.ts";

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
    insert into clerk_sync.user_state as s (clerk_id, version, email_verified, last_synced_at, first_seen_at)
    select n.clerk_id, n.version, true, now(), now()
    from newest as n
    on conflict (clerk_id) do update
      set version = excluded.version, last_synced_at = excluded.last_synced_at
  )
  insert into public.users as u (clerk_id, email, name, role)
  select n.clerk_id, n.payload ->> 'email', n.payload ->> 'name', 'user'
  from newest as n
  on conflict (clerk_id) do update
    set email = excluded.email, name = excluded.name, updated_at = now(), "updatedAt" = now()`;
