import { startAuthServer } from "../load/auth-server.ts";
import { alternate, makeRow, type Row } from "../measure.ts";
import { clerkSyncMirror } from "../peers/clerk-sync.ts";
import { authCalls } from "../peers/limits.ts";
import { type PeerProgram, startPeer } from "../peers/start-peer.ts";
import type { Context, Scenario } from "../scenario.ts";

const answerMilliseconds = 5;
const peers = [clerkSyncMirror, authCalls] as const;
/** Each job waits for an answer. */
const part = 0.05;

/** How quickly are users mirrored? */
export const mirror: Scenario = {
  name: "mirror",
  question: "how many jobs a second are mirrored in Supabase Auth?",
  notes: [
    `A stand-in of Supabase Auth answers every call after ${answerMilliseconds} ms; new users, one job and one call each. The queue is given ${part * 100} % of the jobs of other scenarios.`,
    ...peers.map(({ settings }) => settings),
  ],
  run,
};

async function run({ createDatabase, addUndo, options, say }: Context): Promise<Row[]> {
  const auth = await startAuthServer(answerMilliseconds);
  addUndo(auth.stop);
  const programs: [string, PeerProgram][] = [];
  for (const [place, peer] of peers.entries()) {
    const url = await createDatabase(`mirror_${place}`);
    const program = startPeer(peer, url, { env: { BENCH_AUTH_URL: auth.url } });
    addUndo(program.stop);
    programs.push([peer.name, program]);
  }
  const count = Math.round(options.jobs * part);
  const rows: Row[] = [];
  for (const workers of [1, 2]) {
    const what = `${workers} worker${workers === 1 ? "" : "s"}`;
    const rates = await alternate(
      what,
      programs,
      { ...options, say, areWarm: rows.length > 0 },
      async (program, round) => {
        await program.ask("fill", { prefix: `${workers}_${round}`, count, users: count });
        return count / (await program.ask("drain", { workers, count }));
      },
    );
    const sides = Object.fromEntries(rates);
    rows.push(makeRow({ what, unit: "jobs/s", sides, of: clerkSyncMirror.name, against: [authCalls.name] }));
  }
  return rows;
}
