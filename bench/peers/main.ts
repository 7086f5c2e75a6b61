import { type Events, makeJobs } from "../load/payload.ts";
import { answerQuestions } from "../load/program.ts";
import { readUsage } from "../load/read-usage.ts";
import { atOnce, slices } from "./peer.ts";
import { findPeer } from "./peers.ts";
import { servePeer } from "./serve-peer.ts";
import type { PeerApi } from "./start-peer.ts";

// One peer on its database, in a process of its own: node bench/peers/main.ts NAME DATABASE_URL CONNECTIONS
const [name = "", url = "", connections = "10"] = process.argv.slice(2);
const peer = await findPeer(name).open(url, Number(connections));

function need<Part>(part: Part | null): Part {
  if (part === null) throw new TypeError(`${name} does not do this`);
  return part;
}

async function fill(events: Events): Promise<void> {
  for (const slice of slices(makeJobs(events), 5000)) await need(peer.fill)(slice);
}

/** Takes events for so many seconds, so many at a time, without HTTP. */
async function take({ seconds, connections: atATime, ...events }: Parameters<PeerApi["take"]>[0]) {
  const jobs = makeJobs(events).values();
  const milliseconds: number[] = [];
  const end = performance.now() + seconds * 1000;
  const start = performance.now();
  await atOnce(atATime, async () => {
    for (const job of jobs) {
      const begun = performance.now();
      await need(peer.take)(job);
      milliseconds.push(performance.now() - begun);
      if (performance.now() >= end) break;
    }
  });
  return { seconds: (performance.now() - start) / 1000, milliseconds };
}

answerQuestions({
  serve: () => servePeer(need(peer.take)),
  fill,
  take,
  drain: ({ workers, count }: { workers: number; count: number }) => need(peer.drain)(workers, count),
  drainDue: () => need(peer.drainDue)(),
  work: async () => void (await need(peer.work)()),
  usage: readUsage,
} satisfies PeerApi);
process.once("SIGTERM", () => void peer.close().finally(() => process.exit(0)));
