import { clerkSync, clerkSyncMirror } from "./clerk-sync.ts";
import { graphileWorker, graphileWorkerBatches } from "./graphile-worker.ts";
import { handWritten } from "./hand-written.ts";
import { authCalls, bareHttp, plainUpsert, singleInserts, writesAlone } from "./limits.ts";
import type { Peer } from "./peer.ts";
import { pgBoss, pgBossNotify } from "./pg-boss.ts";
import { writeInRequest } from "./write-in-request.ts";

export const peers: readonly Peer[] = [
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

export function findPeer(name: string): Peer {
  const peer = peers.find((one) => one.name === name);
  if (peer === undefined) throw new RangeError(`no peer ${name}`);
  return peer;
}
