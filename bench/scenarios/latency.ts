import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { type Sender, startSender } from "../load/sender.ts";
import { serveProduct } from "../load/serve-product.ts";
import { alternate, makeRow, percentile, pick, type Row } from "../measure.ts";
import { openPool } from "../open-database.ts";
import { clerkSync } from "../peers/clerk-sync.ts";
import { graphileWorker } from "../peers/graphile-worker.ts";
import type { Peer } from "../peers/peer.ts";
import { pgBossNotify } from "../peers/pg-boss.ts";
import { startPeer } from "../peers/start-peer.ts";
import { writeInRequest } from "../peers/write-in-request.ts";
import type { Context, Scenario } from "../scenario.ts";

const others: readonly Peer[] = [pgBossNotify, graphileWorker, writeInRequest];
const queues = [pgBossNotify.name, graphileWorker.name];
/** Events a second, and how many times as long as other loads: 10 a second make few samples. */
const rates = [
  { perSecond: 10, times: 3 },
  { perSecond: 100, times: 2 },
  { perSecond: 500, times: 2 },
] as const;
const waitMilliseconds = 30_000;

type Side = { port: number; pool: pg.Pool };
type Measured = { p50: number; p99: number };

/** How soon is an event in the row? */
export const latency: Scenario = {
  name: "latency",
  question: "how long after a request is sent is the row of its user there?",
  notes: [
    "Events of new users, sent at a steady rate whatever is answered, to a server whose worker is idle; from the moment a request is written until the commit of its row (`track_commit_timestamp`). At 10 events a second p99 is the slowest of fifteen.",
    clerkSync.settings,
    ...others.map(({ settings }) => settings),
  ],
  postgres: { track_commit_timestamp: "on" },
  run,
};

async function run(context: Context): Promise<Row[]> {
  const sender = startSender();
  context.addUndo(sender.stop);
  const sides = await startSides(context);
  const rows: Row[] = [];
  for (const { perSecond, times } of rates) {
    const what = `${perSecond} events/s`;
    const count = Math.ceil((perSecond * times * context.options.load) / 1000);
    const measured = await alternate(
      what,
      sides,
      { ...context.options, say: context.say, areWarm: rows.length > 0 },
      (side, round) => measure(sender, side, { prefix: `${perSecond}_${round}`, count, perSecond }),
    );
    const of = clerkSync.name;
    rows.push(
      makeRow({
        what: `${what}, p99`,
        unit: "ms",
        sides: pick(measured, ({ p99 }) => p99),
        of,
        against: queues,
        goal: 1,
      }),
      makeRow({ what: `${what}, p50`, unit: "ms", sides: pick(measured, ({ p50 }) => p50), of, against: queues }),
    );
  }
  return rows;
}

async function startSides({ createDatabase, addUndo }: Context): Promise<[string, Side][]> {
  const open = (url: string) => {
    const pool = openPool(url, 2);
    addUndo(() => pool.end());
    return pool;
  };
  const ourUrl = await createDatabase("latency_clerk_sync");
  const ours = await serveProduct(ourUrl);
  addUndo(ours.stop);
  const sides: [string, Side][] = [[clerkSync.name, { port: ours.port, pool: open(ourUrl) }]];
  for (const [place, peer] of others.entries()) {
    const url = await createDatabase(`latency_${place}`);
    const program = startPeer(peer, url);
    addUndo(program.stop);
    const { port } = await program.ask("serve", null);
    if (peer !== writeInRequest) await program.ask("work", null);
    sides.push([peer.name, { port, pool: open(url) }]);
  }
  return sides;
}

type Load = { prefix: string; count: number; perSecond: number };

async function measure(sender: Sender, { port, pool }: Side, { perSecond, ...load }: Load): Promise<Measured> {
  await sender.ask("prepare", { ...load, users: load.count });
  const sent = await sender.ask("open", { port, perSecond });
  const visible = await readCommitTimes(pool, load);
  const waits = sent.map(([user, at]) => (visible.get(user) ?? Number.NaN) - at);
  return { p50: percentile(waits, 50), p99: percentile(waits, 99) };
}

/** When the row of each user was committed, in Unix milliseconds; waits until all are there. */
async function readCommitTimes(
  pool: pg.Pool,
  { prefix, count }: Omit<Load, "perSecond">,
): Promise<Map<string, number>> {
  const deadline = performance.now() + waitMilliseconds;
  while (performance.now() < deadline) {
    const { rows } = await pool.query<{ clerk_id: string; at: number }>(
      `select clerk_id, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as at
       from public.users where clerk_id like $1`,
      [`user\\_${prefix.replaceAll("_", "\\_")}\\_%`],
    );
    if (rows.length === count) return new Map(rows.map(({ clerk_id, at }) => [clerk_id, at]));
    await delay(100);
  }
  throw new RangeError(`not all of ${count} rows were there after ${waitMilliseconds / 1000} s`);
}
