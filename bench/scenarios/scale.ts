import { startSender } from "../load/sender.ts";
import { serveProduct } from "../load/serve-product.ts";
import { alternate, makeRow, only, type Row } from "../measure.ts";
import { clerkSync } from "../peers/clerk-sync.ts";
import { atOnce, timed } from "../peers/peer.ts";
import { type PeerProgram, startPeer } from "../peers/start-peer.ts";
import type { Context, Scenario } from "../scenario.ts";

const workerCounts = [1, 2, 3, 4] as const;
const serverCounts = [1, 2] as const;
const connections = 40;
const mostPerSecond = 10_000;

/** What do more processes bring? */
export const scale: Scenario = {
  name: "scale",
  question: "how much more do several processes do on one database?",
  notes: [
    "Drain: so many processes with one worker each begin at once on a full queue, each job another user's. Ingest: so many processes of `clerk-sync serve --only webhook`, 40 connections spread over them. All share the cores with PostgreSQL and, for ingest, with the sender.",
  ],
  run,
};

async function run(context: Context): Promise<Row[]> {
  return [...(await drainRows(context)), ...(await ingestRows(context))];
}

async function drainRows({ createDatabase, addUndo, options, say }: Context): Promise<Row[]> {
  const url = await createDatabase("scale_drain");
  const programs = Array.from({ length: Math.max(...workerCounts) }, () => startPeer(clerkSync, url));
  for (const program of programs) addUndo(program.stop);
  const [filler] = programs;
  const sides = workerCounts.map((count) => [nameOf(count), programs.slice(0, count)] as const);
  const rates = await alternate("workers", sides, { ...options, say }, async (working, round, name) => {
    const prefix = `${name.replaceAll(" ", "")}_${round}`;
    await filler?.ask("fill", { prefix, count: options.jobs, users: options.jobs });
    return options.jobs / (await drainTogether(working, options.jobs));
  });
  return toRows("workers", "jobs/s", Object.fromEntries(rates));
}

/** Each works until nothing is due: how many that are is not known to any of them. */
async function drainTogether(programs: readonly PeerProgram[], count: number): Promise<number> {
  let done = 0;
  const left = programs.values();
  const seconds = await timed(() =>
    atOnce(programs.length, async () => {
      const completed = await left.next().value?.ask("drainDue", null);
      done += completed ?? 0;
    }),
  );
  if (done !== count) throw new RangeError(`${done} of ${count} jobs were done`);
  return seconds;
}

async function ingestRows({ createDatabase, addUndo, options, say }: Context): Promise<Row[]> {
  const sender = startSender();
  addUndo(sender.stop);
  const url = await createDatabase("scale_ingest");
  const ports: number[] = [];
  for (let place = 0; place < Math.max(...serverCounts); place++) {
    const server = await serveProduct(url, ["--only", "webhook"]);
    addUndo(server.stop);
    ports.push(server.port);
  }
  const sides = serverCounts.map((count) => [nameOf(count), ports.slice(0, count)] as const);
  const count = Math.ceil((mostPerSecond * options.load) / 1000);
  const rates = await alternate("servers", sides, { ...options, say }, async (open, round, name) => {
    await sender.ask("prepare", { prefix: `${name.replaceAll(" ", "")}_${round}`, count, users: count });
    const sent = await sender.ask("closed", { ports: open, connections, seconds: options.load / 1000 });
    return sent.milliseconds.length / sent.seconds;
  });
  return toRows("servers", "req/s", Object.fromEntries(rates));
}

function nameOf(count: number): string {
  return count === 1 ? "1 process" : `${count} processes`;
}

function toRows(what: string, unit: string, sides: Record<string, number[]>): Row[] {
  const [first = "", ...more] = Object.keys(sides);
  return more.map((of) =>
    makeRow({ what: `${what}, ${of}`, unit, sides: only(sides, [first, of]), of, against: [first] }),
  );
}
