import { once } from "node:events";
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { mapEvent } from "#core/clerk/map-event.ts";
import { parseEvent } from "#core/clerk/parse-event.ts";
import type { NewJob } from "#core/database/database.ts";
import { createVerifySignature } from "#core/webhook/verify-signature.ts";
import { findFreePort } from "../../local/postgres/embedded-postgres.ts";
import { createNodeHmac } from "../../server/node-hmac.ts";
import { storedFields } from "../../tests/support/clerk/root-fields.ts";
import { type Events, makeJobs, webhookPath, webhookSecret } from "../load/payload.ts";
import { answerQuestions, type Program, startProgram } from "../load/program.ts";
import { readUsage, type Usage } from "../load/read-usage.ts";
import type { Sent } from "../load/sender.ts";
import { clerkSync, clerkSyncMirror } from "./clerk-sync.ts";
import { graphileWorker, graphileWorkerBatches } from "./graphile-worker.ts";
import { handWritten } from "./hand-written.ts";
import { authCalls, bareHttp, plainUpsert, singleInserts, writesAlone } from "./limits.ts";
import { atOnce, type OpenPeer, type Peer, slices } from "./peer.ts";
import { pgBoss, pgBossNotify } from "./pg-boss.ts";
import { writeInRequest } from "./write-in-request.ts";

const peers: readonly Peer[] = [
  clerkSync,
  clerkSyncMirror,
  pgBoss,
  pgBossNotify,
  graphileWorker,
  graphileWorkerBatches,
  writeInRequest,
  handWritten,
  singleInserts,
  plainUpsert,
  writesAlone,
  bareHttp,
  authCalls,
];

function findPeer(name: string): Peer {
  const peer = peers.find((one) => one.name === name);
  if (peer === undefined) throw new RangeError(`no peer ${name}`);
  return peer;
}

/** What the process of a peer can be asked. */
type PeerApi = {
  serve: (argument: null) => Promise<{ port: number }>;
  fill: (events: Events) => Promise<void>;
  take: (load: Events & { seconds: number; connections: number }) => Promise<Sent>;
  /** Answers the seconds. */
  drain: (load: { workers: number; count: number }) => Promise<number>;
  /** Works until nothing is due; answers how many jobs it did. */
  drainDue: (argument: null) => Promise<number>;
  work: (argument: null) => Promise<void>;
  usage: (argument: null) => Promise<Usage>;
};

export type PeerProgram = Program<PeerApi>;

/** Starts a peer in a process of its own, this file, on a migrated database of its own. */
export function startPeer(
  { name }: Peer,
  databaseUrl: string,
  { connections = 10, env = {} }: { connections?: number; env?: Record<string, string> } = {},
): PeerProgram {
  return startProgram<PeerApi>(import.meta.filename, [name, databaseUrl, String(connections)], { env });
}

/** What the process answers: one peer on its database. */
async function openPeer(name: string, url: string, connections: number): Promise<{ api: PeerApi; peer: OpenPeer }> {
  const peer = await findPeer(name).open(url, connections);
  const need = <Part>(part: Part | null): Part => {
    if (part === null) throw new TypeError(`${name} does not do this`);
    return part;
  };
  const api: PeerApi = {
    serve: () => servePeer(need(peer.take)),
    fill: async (events) => {
      for (const slice of slices(makeJobs(events), 5000)) await need(peer.fill)(slice);
    },
    take: (load) => take(need(peer.take), load),
    drain: ({ workers, count }) => need(peer.drain)(workers, count),
    drainDue: () => need(peer.drainDue)(),
    work: async () => void (await need(peer.work)()),
    usage: readUsage,
  };
  return { api, peer };
}

/** Takes events for so many seconds, so many at a time, without HTTP. */
async function take(
  takeOne: (job: NewJob) => Promise<unknown>,
  { seconds, connections, ...events }: Parameters<PeerApi["take"]>[0],
): Promise<Sent> {
  const jobs = makeJobs(events).values();
  const milliseconds: number[] = [];
  const end = performance.now() + seconds * 1000;
  const start = performance.now();
  await atOnce(connections, async () => {
    for (const job of jobs) {
      const begun = performance.now();
      await takeOne(job);
      milliseconds.push(performance.now() - begun);
      if (performance.now() >= end) break;
    }
  });
  return { seconds: (performance.now() - start) / 1000, milliseconds };
}

/** The HTTP server that every peer stands behind: our own router, signature check and mapping, and nothing else. */
async function servePeer(take: (job: NewJob) => Promise<unknown>): Promise<{ port: number }> {
  const verifySignature = createVerifySignature([webhookSecret], Date.now, createNodeHmac);
  const app = new Hono().post(webhookPath, async (context) => {
    const body = new Uint8Array(await context.req.raw.arrayBuffer());
    const eventId = await verifySignature(context.req.raw.headers, body);
    const event = parseEvent(body);
    if (event.type === "unhandled") return context.json({ success: true }, 200);
    await take(mapEvent(event, eventId, storedFields));
    return context.json({ success: true }, 202);
  });
  const port = await findFreePort();
  const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }) as Server;
  if (!server.listening) await once(server, "listening");
  return { port };
}

if (import.meta.main) {
  const [name = "", url = "", connections = "10"] = process.argv.slice(2);
  const { api, peer } = await openPeer(name, url, Number(connections));
  answerQuestions(api);
  process.once("SIGTERM", () => void peer.close().finally(() => process.exit(0)));
}
