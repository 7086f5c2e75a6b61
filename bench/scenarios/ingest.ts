import { type Sender, type Sent, startSender } from "../load/sender.ts";
import { serveProduct } from "../load/serve-product.ts";
import { alternate, makeRow, only, percentile, pick, type Row } from "../measure.ts";
import { clerkSync } from "../peers/clerk-sync.ts";
import { graphileWorker } from "../peers/graphile-worker.ts";
import { handWritten } from "../peers/hand-written.ts";
import { bareHttp, singleInserts } from "../peers/limits.ts";
import type { Peer } from "../peers/peer.ts";
import { pgBoss } from "../peers/pg-boss.ts";
import { type PeerProgram, startPeer } from "../peers/start-peer.ts";
import { writeInRequest } from "../peers/write-in-request.ts";
import type { Context, Scenario } from "../scenario.ts";

const queues = [pgBoss.name, graphileWorker.name];
const served: readonly Peer[] = [pgBoss, graphileWorker, writeInRequest, handWritten, bareHttp];
const connectionCounts = [1, 20, 100] as const;
/** So many requests are signed beforehand; no side answers more. */
const mostPerSecond = 16_000;

/** Our own server when it leaves rows to workers, as both queues do. */
const queueOnly = {
  name: "clerk-sync, queue only",
  settings:
    "clerk-sync, queue only: the same with `APPLY_AT_ONCE=off`; the event is durable in the queue, and a worker writes the row.",
};

/** Takes events in whatever way the side takes them. */
type Side = (load: { connections: number; prefix: string }) => Promise<Sent>;
type Measured = { perSecond: number; p50: number; p99: number };

/** How many signed events a second are durable? */
export const ingest: Scenario = {
  name: "ingest",
  question: "how many signed events a second are taken until they are durable, and how long does each wait?",
  notes: [
    "Signed HTTP requests of a user.created event (2.4 kB), each of another user, sent by a process of its own over connections that are kept open; answered when durable. The queue is filled, no worker runs.",
    `${clerkSync.settings.replace("serve`", "serve --only webhook`")} It answers when the row of the user is written as well.`,
    queueOnly.settings,
    ...[...served, singleInserts].map(({ settings }) => settings),
  ],
  run,
};

async function run(context: Context): Promise<Row[]> {
  const sender = startSender();
  context.addUndo(sender.stop);
  const sides = await startSides(context, sender);
  const rows: Row[] = [];
  for (const connections of connectionCounts) {
    const what = `${connections} connection${connections === 1 ? "" : "s"}`;
    const measured = await alternate(
      what,
      sides,
      { ...context.options, say: context.say, areWarm: rows.length > 0 },
      async (side, round, name) =>
        toMeasured(await side({ connections, prefix: `${name.replaceAll(/\W/g, "")}_${connections}_${round}` })),
    );
    rows.push(...toRows(what, measured, connections));
  }
  return rows;
}

async function startSides(context: Context, sender: Sender): Promise<[string, Side][]> {
  const seconds = context.options.load / 1000;
  const count = Math.ceil(mostPerSecond * seconds);
  const events = (prefix: string) => ({ prefix, count, users: count });
  const over = (port: number): Side => {
    return async ({ connections, prefix }) => {
      await sender.ask("prepare", events(prefix));
      return sender.ask("closed", { ports: [port], connections, seconds });
    };
  };
  const ours = await serveProduct(await context.createDatabase("ingest_clerk_sync"), ["--only", "webhook"]);
  context.addUndo(ours.stop);
  const sides: [string, Side][] = [[clerkSync.name, over(ours.port)]];
  const env = { APPLY_AT_ONCE: "off" };
  const queueing = await serveProduct(await context.createDatabase("ingest_queue_only"), ["--only", "webhook"], env);
  context.addUndo(queueing.stop);
  sides.push([queueOnly.name, over(queueing.port)]);
  for (const [place, peer] of served.entries()) {
    const program = await start(context, peer, `ingest_${place}`, 10);
    sides.push([peer.name, over((await program.ask("serve", null)).port)]);
  }
  const direct = await start(context, singleInserts, "ingest_direct", Math.max(...connectionCounts));
  sides.push([
    singleInserts.name,
    ({ connections, prefix }) => direct.ask("take", { ...events(prefix), connections, seconds }),
  ]);
  return sides;
}

async function start(context: Context, peer: Peer, database: string, connections: number): Promise<PeerProgram> {
  const program = startPeer(peer, await context.createDatabase(database), { connections });
  context.addUndo(program.stop);
  return program;
}

function toMeasured({ seconds, milliseconds }: Sent): Measured {
  return {
    perSecond: milliseconds.length / seconds,
    p50: percentile(milliseconds, 50),
    p99: percentile(milliseconds, 99),
  };
}

function toRows(what: string, measured: Map<string, Measured[]>, connections: number): Row[] {
  const rates = pick(measured, ({ perSecond }) => perSecond);
  const of = clerkSync.name;
  const bare = [bareHttp.name];
  const hasGoal = connections > 1; // one waits for each commit, whatever is before it
  return [
    makeRow({ what, unit: "req/s", sides: rates, of, against: queues, goal: hasGoal ? 3 : undefined }),
    makeRow({
      what: `${what}, against HTTP alone`,
      unit: "req/s",
      sides: only(rates, [of, ...bare]),
      of,
      against: bare,
      goal: hasGoal ? 0.5 : undefined,
    }),
    makeRow({
      what: `${what}, queue only`,
      unit: "req/s",
      sides: only(rates, [queueOnly.name, ...queues, ...bare]),
      of: queueOnly.name,
      against: queues,
      goal: hasGoal ? 3 : undefined,
    }),
    makeRow({ what: `${what}, p50`, unit: "ms", sides: pick(measured, ({ p50 }) => p50), of, against: queues }),
    makeRow({ what: `${what}, p99`, unit: "ms", sides: pick(measured, ({ p99 }) => p99), of, against: queues }),
  ];
}
