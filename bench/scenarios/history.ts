import type pg from "pg";
import { createDatabase, type Database } from "#core/database.ts";
import { createCallFunction } from "../../server/call-function.ts";
import { userEvent } from "../../tests/support/build-event.ts";
import { toJob } from "../../tests/support/queue.ts";
import { openDatabase } from "../open-database.ts";
import type { Context, Row, Scenario } from "../scenario.ts";
import { median, ratioOf } from "../statistics.ts";

const connections = 4;
const jobsPerRound = 4000;
const samples = 200;
const rules = { leaseSeconds: null, canRead: false, deleteMode: "hard", deleteBrake: null } as const;

/** How one round went on one side. */
type Round = { enqueue: number; drain: number; claimOne: number; poll: number };

/** Does history slow the queue down? */
export const history: Scenario = {
  name: "history",
  question: "is the queue as fast with a history of finished jobs as with none?",
  run,
};

async function run({ postgres, options, say }: Context): Promise<Row[]> {
  const [empty, full] = [
    await openDatabase(postgres, "history_none", connections),
    await openDatabase(postgres, "history_long", connections),
  ];
  say(`making ${options.history.toLocaleString("en-US")} finished jobs …`);
  await makeHistory(full, options.history);
  const sides: [string, Database, Round[]][] = [
    ["none", createDatabase(createCallFunction(empty)), []],
    [options.history.toLocaleString("en-US"), createDatabase(createCallFunction(full)), []],
  ];
  for (let round = 0; round <= options.rounds; round++) {
    // Round 0 warms both up. Who begins changes, so that neither always runs after the other.
    for (const [name, database, rounds] of round % 2 === 0 ? sides : sides.toReversed()) {
      const measured = await measure(database, `${round}`);
      if (round > 0) rounds.push(measured);
      say(`round ${round}, history ${name}: ${JSON.stringify(measured)}`);
    }
  }
  await Promise.all([empty.end(), full.end()]);
  return [
    toRow(sides, "enqueue, one by one over 4 connections", "enqueue", "jobs/s"),
    toRow(sides, "drain: claim, apply, complete", "drain", "jobs/s"),
    toRow(sides, "one job claimed, applied and completed", "claimOne", "ms"),
    toRow(sides, "poll of an empty queue", "poll", "ms"),
  ];
}

/** Jobs as they are when finished: mapped user, trimmed event. The trigger is off, it would take an hour. */
async function makeHistory(pool: pg.Pool, count: number): Promise<void> {
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
  const jobs = Array.from({ length: jobsPerRound }, (_, place) => newJob(`${round}_${place}`));
  const enqueueSeconds = await timed(() => enqueueAll(database, jobs));
  const drainSeconds = await timed(async () => {
    while ((await database.runJobs({ limit: 250, ...rules })).jobs.length > 0);
  });
  const claims: number[] = [];
  const polls: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    await database.enqueue([newJob(`${round}_one_${sample}`)], 15);
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

function newJob(name: string) {
  return toJob(userEvent("user.created", { id: `user_${name}`, version: 1 }), `msg_${name}`);
}

async function enqueueAll(database: Database, jobs: readonly ReturnType<typeof newJob>[]): Promise<void> {
  const left = jobs.values();
  const work = async () => {
    for (const job of left) await database.enqueue([job], 15);
  };
  await Promise.all(Array.from({ length: connections }, work));
}

/** Seconds. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function toRow(sides: readonly [string, Database, Round[]][], what: string, key: keyof Round, unit: string): Row {
  const values = sides.map(([name, , rounds]) => [name, rounds.map((round) => round[key])] as const);
  const [first, second] = values;
  const ratio = ratioOf(first?.[1] ?? [], second?.[1] ?? [], unit === "ms" ? "time" : "rate");
  return { what, unit, sides: Object.fromEntries(values), ratio, better: "higher" };
}
