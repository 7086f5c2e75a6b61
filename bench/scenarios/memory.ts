import { setTimeout as delay } from "node:timers/promises";
import { withConnection } from "../../server/with-connection.ts";
import type { Usage } from "../load/read-usage.ts";
import { serveProduct } from "../load/serve-product.ts";
import { makeRow, type Row } from "../measure.ts";
import { openPool } from "../open-database.ts";
import { clerkSync } from "../peers/clerk-sync.ts";
import { graphileWorkerBatches } from "../peers/graphile-worker.ts";
import type { Peer } from "../peers/peer.ts";
import { pgBoss } from "../peers/pg-boss.ts";
import { startPeer } from "../peers/start-peer.ts";
import type { Context, Scenario } from "../scenario.ts";

const sides: readonly Peer[] = [clerkSync, pgBoss, graphileWorkerBatches];
const waitMilliseconds = 180_000;
const lookEveryMilliseconds = 500;

type Worked = { peak: number; perSecond: number };

/** What does a full queue cost in memory? */
export const memory: Scenario = {
  name: "memory",
  question: "how much memory does a server take at most that starts on a full queue and works through it?",
  notes: [
    "Peak resident memory of the server's process, from its start until all jobs, each of another user, are rows; the database was vacuumed and analysed before. Once for each side, not in rounds: memory varies little and the queue is long. The rates are what was seen by the way.",
    ...sides.map(({ settings }) => settings),
  ],
  run,
};

async function run(context: Context): Promise<Row[]> {
  const measured: Record<string, Worked> = {};
  for (const [place, peer] of sides.entries()) {
    const worked = await measure(context, peer, `memory_${place}`);
    measured[peer.name] = worked;
    context.say(`memory, ${peer.name}: ${JSON.stringify(worked)}`);
  }
  const of = clerkSync.name;
  const against = sides.map(({ name }) => name).filter((name) => name !== of);
  const pick = (key: keyof Worked) =>
    Object.fromEntries(Object.entries(measured).map(([name, worked]) => [name, [worked[key]]]));
  const what = `${context.options.queued.toLocaleString("en-US")} queued`;
  return [
    makeRow({ what: `${what}, peak`, unit: "MB", sides: pick("peak"), of, against }),
    makeRow({ what: `${what}, worked through`, unit: "jobs/s", sides: pick("perSecond"), of, against }),
  ];
}

/** Fills the queue from one process, works through it in another. */
async function measure({ createDatabase, options, say }: Context, peer: Peer, name: string): Promise<Worked> {
  const url = await createDatabase(name);
  const filler = startPeer(peer, url);
  say(`memory, ${peer.name}: queueing …`);
  const events = { prefix: "m", count: options.queued, users: options.queued };
  await filler.ask("fill", events).finally(filler.stop);
  await withConnection(url, (client) => client.query("vacuum analyze"));
  const start = performance.now();
  const server = await startServer(peer, url);
  try {
    await waitForRows(url, options.queued);
    const seconds = (performance.now() - start) / 1000;
    return { peak: (await server.usage()).peakMegabytes, perSecond: options.queued / seconds };
  } finally {
    await server.stop();
  }
}

async function startServer(
  peer: Peer,
  url: string,
): Promise<{ usage: () => Promise<Usage>; stop: () => Promise<void> }> {
  if (peer === clerkSync) {
    const { ask, stop } = await serveProduct(url);
    return { usage: () => ask("usage", null), stop };
  }
  const program = startPeer(peer, url);
  await program.ask("serve", null);
  await program.ask("work", null);
  return { usage: () => program.ask("usage", null), stop: program.stop };
}

async function waitForRows(url: string, count: number): Promise<void> {
  const pool = openPool(url, 1);
  const deadline = performance.now() + waitMilliseconds;
  try {
    while (performance.now() < deadline) {
      const { rows } = await pool.query<{ count: number }>("select count(*)::int4 as count from public.users");
      if (rows[0]?.count === count) return;
      await delay(lookEveryMilliseconds);
    }
    throw new RangeError(`not all of ${count} rows were there after ${waitMilliseconds / 1000} s`);
  } finally {
    await pool.end();
  }
}
