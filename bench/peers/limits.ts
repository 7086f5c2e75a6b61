import pg from "pg";
import type { NewJob } from "#core/database/database.ts";
import { noPeer, type Peer, writeSlices } from "./peer.ts";
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
