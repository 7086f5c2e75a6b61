import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import type { Usage } from "../load/read-usage.ts";
import { serveProduct } from "../load/serve-product.ts";
import { makeRow, only, type Row } from "../measure.ts";
import { openPool } from "../open-database.ts";
import { clerkSync } from "../peers/clerk-sync.ts";
import { graphileWorker } from "../peers/graphile-worker.ts";
import type { Peer } from "../peers/peer.ts";
import { pgBoss } from "../peers/pg-boss.ts";
import { startPeer } from "../peers/start-peer.ts";
import type { Context, Scenario } from "../scenario.ts";

const others: readonly Peer[] = [pgBoss, graphileWorker];
const aim = "1 % of a core";
/** A window is so many loads long; before the first one all settle for as long. */
const times = 8;
/** Some look only every two seconds. */
const leastMilliseconds = 4000;

type Side = { name: string; database: string; usage: () => Promise<Usage> };
type Used = Record<string, { queries: number; cpu: number }>;

/** What does a quiet server cost? */
export const idle: Scenario = {
  name: "idle",
  question: "how many queries and how much CPU does a server take that has nothing to do?",
  notes: [
    "All are quiet at the same time, in processes of their own on databases of their own; a round is a window of some seconds. Queries are counted by pg_stat_statements, CPU is that of the server's process.",
    clerkSync.settings,
    ...others.map(({ settings }) => settings),
  ],
  postgres: { shared_preload_libraries: "pg_stat_statements" },
  run,
};

async function run(context: Context): Promise<Row[]> {
  const pool = openPool(await context.createDatabase("idle_statistics"), 1);
  context.addUndo(() => pool.end());
  await pool.query("create extension pg_stat_statements");
  const sides = await startSides(context);
  const milliseconds = Math.max(leastMilliseconds, context.options.load * times);
  await delay(milliseconds);
  const queries: Record<string, number[]> = {};
  const cpu: Record<string, number[]> = {};
  for (let round = 1; round <= context.options.rounds; round++) {
    for (const [name, used] of Object.entries(await measure(pool, sides, milliseconds))) {
      queries[name] = [...(queries[name] ?? []), used.queries];
      cpu[name] = [...(cpu[name] ?? []), used.cpu];
    }
    context.say(`idle: round ${round} of ${context.options.rounds}`);
  }
  const of = clerkSync.name;
  const against = others.map(({ name }) => name);
  const aims = { ...only(cpu, [of]), [aim]: [10] };
  return [
    makeRow({ what: "CPU, against the aim", unit: "ms per s", sides: aims, of, against: [aim], goal: 1 }),
    makeRow({ what: "CPU", unit: "ms per s", sides: cpu, of, against }),
    makeRow({ what: "queries", unit: "per s", sides: queries, of, against }),
  ];
}

async function startSides({ createDatabase, addUndo }: Context): Promise<Side[]> {
  const ours = await serveProduct(await createDatabase("idle_0"));
  addUndo(ours.stop);
  const sides: Side[] = [{ name: clerkSync.name, database: "idle_0", usage: () => ours.ask("usage", null) }];
  for (const [place, peer] of others.entries()) {
    const database = `idle_${place + 1}`;
    const program = startPeer(peer, await createDatabase(database));
    addUndo(program.stop);
    await program.ask("work", null);
    sides.push({ name: peer.name, database, usage: () => program.ask("usage", null) });
  }
  return sides;
}

/** What each side used in a second of a window. */
async function measure(pool: pg.Pool, sides: readonly Side[], milliseconds: number): Promise<Used> {
  const look = () => Promise.all(sides.map(async (side) => ({ ...side, ...(await readSide(pool, side)) })));
  const before = await look();
  const start = performance.now();
  await delay(milliseconds);
  const after = await look();
  const seconds = (performance.now() - start) / 1000;
  return Object.fromEntries(
    after.map(({ name, queries, cpu }, place) => {
      const first = before[place] ?? { queries, cpu };
      return [name, { queries: (queries - first.queries) / seconds, cpu: (cpu - first.cpu) / seconds }];
    }),
  );
}

async function readSide(pool: pg.Pool, { database, usage }: Side): Promise<{ queries: number; cpu: number }> {
  const { rows } = await pool.query<{ calls: number }>(
    `select coalesce(sum(s.calls), 0)::float8 as calls
     from pg_stat_statements as s
     join pg_database as d on d.oid = s.dbid
     where d.datname = $1`,
    [database],
  );
  return { queries: rows[0]?.calls ?? 0, cpu: (await usage()).cpuMilliseconds };
}
