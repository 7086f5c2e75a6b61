import type pg from "pg";
import { type Database, type NewJob, createDatabase as openQueue } from "#core/database/database.ts";
import { createCallFunction } from "../../server/call-function.ts";
import { makeJobs } from "../load/payload.ts";
import { alternate, makeRow, median, only, pick, type Row } from "../measure.ts";
import { openPool } from "../open-database.ts";
import { timed } from "../peers/peer.ts";
import type { Context, Scenario } from "../scenario.ts";

const connections = 4;
const jobsPerRound = 4000;
const samples = 200;
const rules = { leaseSeconds: null, canRead: false, deleteBrake: null } as const;

/** How one round went on one side. */
type Round = { enqueue: number; drain: number; claimOne: number; poll: number };

/** Does history slow the queue down? */
export const history: Scenario = {
  name: "history",
  question: "is the queue as fast with a history of finished jobs as with none?",
  notes: [
    "Databases without and with so many finished jobs; each round enqueues new jobs with an event of 2.4 kB, one new user each, drains them in batches of 250 over one connection, and then claims single ones. `--long-history 10000000` adds a third database (it takes minutes to make, and 10 GB).",
  ],
  run,
};

async function run({ createDatabase, options, say, addUndo }: Context): Promise<Row[]> {
  const sides: [string, Database][] = [];
  for (const count of [0, options.history, options.longHistory]) {
    if (count === 0 && sides.length > 0) continue;
    const pool = openPool(await createDatabase(`history_${count}`), connections);
    addUndo(() => pool.end());
    say(`making ${count.toLocaleString("en-US")} finished jobs …`);
    if (count > 0) await makeHistory(pool, count);
    sides.push([count.toLocaleString("en-US"), openQueue(createCallFunction(pool))]);
  }
  const measured = await alternate("history", sides, { ...options, say }, (database, round) =>
    measure(database, `${round}`),
  );
  const rowOf = (what: string, unit: string, value: (round: Round) => number) =>
    sides.slice(1).map(([of]) =>
      makeRow({
        what: `${what}, ${of} finished`,
        unit,
        sides: only(pick(measured, value), ["0", of]),
        of,
        against: ["0"],
        goal: 0.9,
      }),
    );
  return [
    ...rowOf("enqueue, one by one over 4 connections", "jobs/s", ({ enqueue }) => enqueue),
    ...rowOf("drain: claim, apply, complete", "jobs/s", ({ drain }) => drain),
    ...rowOf("one job claimed, applied and completed", "ms", ({ claimOne }) => claimOne),
    ...rowOf("poll of an empty queue", "ms", ({ poll }) => poll),
  ];
}

/** Jobs as they are when finished: mapped user, trimmed event. The trigger is off, it would take an hour. */
export async function makeHistory(pool: pg.Pool, count: number): Promise<void> {
  const client = await pool.connect();
  await client.query("set session_replication_role = replica");
  await client.query(
    `insert into public.job_queue
       (event_id, job_type, clerk_id, version, status, attempts, created_at, updated_at, processed_at, run_at, result, history, payload)
     select
       'msg_history_' || n, 'USER_UPDATED', 'user_history_' || n % ($1::int / 10), 1763900000000 + n, 'COMPLETED', 1,
       t.at, t.at, t.at, t.at, '{"applied": true}',
       jsonb_build_array(jsonb_build_object('at', t.at, 'status', 'PENDING'), jsonb_build_object('at', t.at, 'status', 'COMPLETED')),
       jsonb_build_object(
         'clerk_id', 'user_history_' || n % ($1::int / 10), 'email', 'user' || n || '@example.com', 'name', 'Ada Lovelace',
         'user_role', 'user', 'created_at', t.at, 'retry_count', 0,
         'original_event', jsonb_build_object('type', 'user.updated', 'object', 'event', 'timestamp', 1763900000000 + n,
           'instance_id', 'ins_history', 'data', jsonb_build_object('id', 'user_history_' || n, 'object', 'user')))
     from generate_series(1, $1::int) as n
     cross join lateral (select now() - (n::float8 / $1) * interval '30 days' as at) as t`,
    [count],
  );
  await client.query("reset session_replication_role");
  await client.query("vacuum analyze public.job_queue");
  client.release();
}

async function measure(database: Database, round: string): Promise<Round> {
  const jobs = makeJobs({ prefix: round, count: jobsPerRound, users: jobsPerRound });
  const enqueueSeconds = await timed(() => enqueueAll(database, jobs));
  const drainSeconds = await timed(async () => {
    while ((await database.runJobs({ limit: 250, ...rules })).jobs.length > 0);
  });
  const claims: number[] = [];
  const polls: number[] = [];
  for (const job of makeJobs({ prefix: `${round}_one`, count: samples, users: samples })) {
    await database.enqueue([job], 15);
    claims.push(1000 * (await timed(() => database.runJobs({ limit: 250, ...rules }))));
    polls.push(1000 * (await timed(() => database.runJobs({ limit: 250, ...rules }))));
  }
  return {
    enqueue: jobsPerRound / enqueueSeconds,
    drain: jobsPerRound / drainSeconds,
    claimOne: median(claims),
    poll: median(polls),
  };
}

async function enqueueAll(database: Database, jobs: readonly NewJob[]): Promise<void> {
  const left = jobs.values();
  const work = async () => {
    for (const job of left) await database.enqueue([job], 15);
  };
  await Promise.all(Array.from({ length: connections }, work));
}
