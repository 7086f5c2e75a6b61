import { SyncError } from "#core/errors.ts";
import type { Message } from "./build-event.ts";
import { deliver, type Endpoint, type Outcome, usualAttempts } from "./deliver.ts";
import type { SimulationIo } from "./io.ts";
import { createTally, hasRefusedAll, recordOutcome, type Tally } from "./tally.ts";

export type PostOptions = Endpoint & {
  concurrency: number;
  /** Deliveries started per second; null for as fast as it goes. */
  rate: number | null;
};

type Posted = {
  /** The events in the order of their delivery. */
  deliveries: Uint32Array;
  events: number;
  messageOf: (event: number) => Message;
};

type PostIo = SimulationIo & { onProgress: (done: number) => void };

/**
 * Posts all deliveries, so many at a time, and counts what became of them.
 * Throws SyncError `endpoint_unreachable` when the first finds nobody listening.
 */
export async function postDeliveries(posted: Posted, options: PostOptions, io: PostIo): Promise<Tally> {
  const tally = createTally(posted.events);
  const waitTurn = createPacer(options.rate, io.clock);
  const post = (event: number, attempts: number) => deliver(posted.messageOf(event), { ...options, attempts }, io);
  let next = 0;
  let done = 0;

  const settle = (event: number, outcome: Outcome) => {
    recordOutcome(tally, event, outcome);
    done += 1;
    io.onProgress(done);
  };
  const work = async () => {
    while (next < posted.deliveries.length) {
      const delivery = next++;
      const event = posted.deliveries[delivery] ?? 0;
      await waitTurn(delivery);
      settle(event, await post(event, hasRefusedAll(tally) ? 1 : usualAttempts));
    }
  };

  const first = posted.deliveries[next++] ?? 0;
  const answer = await post(first, 1);
  if (answer.status === "network") throw unreachable(options.url, answer.text);
  settle(first, answer.accepted ? answer : await post(first, usualAttempts));
  await Promise.all(Array.from({ length: options.concurrency }, work));
  return tally;
}

/** Holds the n-th delivery back until its time has come. */
function createPacer(rate: number | null, clock: SimulationIo["clock"]): (delivery: number) => Promise<void> {
  if (rate === null) return async () => undefined;
  const start = clock.now();
  return async (delivery) => {
    const early = start + (delivery * 1000) / rate - clock.now();
    if (early > 0) await clock.sleep(early);
  };
}

function unreachable(url: string, reason: string): SyncError {
  return new SyncError(
    "endpoint_unreachable",
    `Nothing answers at ${url} (${reason}). Is the server running, and is the URL right? A local one is started by: npx clerk-sync serve --local.`,
  );
}
