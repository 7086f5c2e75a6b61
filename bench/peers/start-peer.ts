import type { Events } from "../load/payload.ts";
import { type Program, startProgram } from "../load/program.ts";
import type { Usage } from "../load/read-usage.ts";
import type { Peer } from "./peer.ts";

export type Taken = { seconds: number; milliseconds: number[] };

/** What the process of a peer can be asked. */
export type PeerApi = {
  serve: (argument: null) => Promise<{ port: number }>;
  fill: (events: Events) => Promise<void>;
  take: (load: Events & { seconds: number; connections: number }) => Promise<Taken>;
  /** Answers the seconds. */
  drain: (load: { workers: number; count: number }) => Promise<number>;
  /** Works until nothing is due; answers how many jobs it did. */
  drainDue: (argument: null) => Promise<number>;
  work: (argument: null) => Promise<void>;
  usage: (argument: null) => Promise<Usage>;
};

export type PeerProgram = Program<PeerApi>;

/** Starts a peer in a process of its own, on a migrated database of its own. */
export function startPeer(
  { name }: Peer,
  databaseUrl: string,
  { connections = 10, env = {} }: { connections?: number; env?: Record<string, string> } = {},
): PeerProgram {
  const file = new URL("./main.ts", import.meta.url);
  return startProgram<PeerApi>(file, [name, databaseUrl, String(connections)], { env });
}
