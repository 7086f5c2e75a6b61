import type pg from "pg";
import { type Events, makeJobs } from "../load/payload.ts";
import { alternate, makeRow, only, type Row } from "../measure.ts";
import { openPool } from "../open-database.ts";
import { clerkSync } from "../peers/clerk-sync.ts";
import { graphileWorker } from "../peers/graphile-worker.ts";
import { handWritten } from "../peers/hand-written.ts";
import { plainUpsert, writesAlone } from "../peers/limits.ts";
import type { Peer } from "../peers/peer.ts";
import { pgBoss } from "../peers/pg-boss.ts";
import { type PeerProgram, startPeer } from "../peers/start-peer.ts";
import { queryOf, toUserRow, upsertUsers } from "../peers/upsert-users.ts";
import type { Context, Scenario } from "../scenario.ts";

const sides: readonly Peer[] = [clerkSync, pgBoss, graphileWorker, handWritten, plainUpsert, writesAlone];
const queues = [pgBoss.name, graphileWorker.name];
const workerCounts = [1, 2, 4] as const;
const updatesPerUser = 50;
/** One job per call takes so long that a part of the jobs tells as much. */
const handWrittenPart = 0.05;

/** How quickly does a full queue become rows? */
export const drain: Scenario = {
  name: "drain",
  question: "how many queued jobs a second become rows of users?",
  notes: [
    "Each side works through a queue that was filled before, in a process of its own with so many workers: every job another user's, or 50 jobs of each user, who has a row already, each newer. The rows are the same in public.users; clerk-sync also keeps the state and the history of each job. Its workers do not wait for the disk, since a job that a crash takes back is done again; the others do. Before each drain the database is vacuumed and analysed, not measured: with statistics of a smaller queue pg-boss does a quarter.",
    ...sides.map(({ settings }) => settings),
    `hand-written is given ${handWrittenPart * 100} % of the jobs.`,
  ],
  run,
};

async function run(context: Context): Promise<Row[]> {
  const opened: [string, Side][] = [];
  for (const [place, peer] of sides.entries()) {
    const url = await context.createDatabase(`drain_${place}`);
    const program = startPeer(peer, url);
    context.addUndo(program.stop);
    const pool = openPool(url, 1);
    context.addUndo(() => pool.end());
    opened.push([peer.name, { program, pool }]);
  }
  const rows: Row[] = [];
  for (const [kind, perUser] of [
    ["each of another user", 1],
    [`${updatesPerUser} of each user`, updatesPerUser],
  ] as const) {
    for (const workers of workerCounts)
      rows.push(...(await measure(context, opened, { kind, perUser, workers, areWarm: rows.length > 0 })));
  }
  return rows;
}

type Side = { program: PeerProgram; pool: pg.Pool };
type Load = { kind: string; perUser: number; workers: number; areWarm: boolean };

async function measure(context: Context, opened: [string, Side][], load: Load): Promise<Row[]> {
  const { options, say } = context;
  const { kind, perUser, workers, areWarm } = load;
  const what = `${workers} worker${workers === 1 ? "" : "s"}, ${kind}`;
  const rates = await alternate(what, opened, { ...options, say, areWarm }, async ({ program, pool }, round, name) => {
    const count = Math.round(options.jobs * (name === handWritten.name ? handWrittenPart : 1));
    const events = { prefix: `${workers}_${perUser}_${round}`, count, users: Math.ceil(count / perUser) };
    if (perUser > 1) await makeUsers(pool, events);
    await program.ask("fill", events);
    await pool.query("vacuum analyze");
    return count / (await program.ask("drain", { workers, count }));
  });
  const values = Object.fromEntries(rates);
  const [of, limit, floor] = [clerkSync.name, plainUpsert.name, writesAlone.name];
  return [
    makeRow({ what, unit: "jobs/s", sides: values, of, against: queues, goal: 3 }),
    makeRow({
      what: `${what}, against the upsert alone`,
      unit: "jobs/s",
      sides: only(values, [of, limit]),
      of,
      against: [limit],
      goal: 0.6,
    }),
    makeRow({
      what: `${what}, against its own writes alone`,
      unit: "jobs/s",
      sides: only(values, [of, floor]),
      of,
      against: [floor],
    }),
  ];
}

/** Updates find their users there. */
async function makeUsers(pool: pg.Pool, { prefix, users }: Events): Promise<void> {
  await upsertUsers(queryOf(pool), makeJobs({ prefix, count: users, users }).map(toUserRow));
}
