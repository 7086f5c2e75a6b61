import type { System } from "../compose/work.ts";
import { createSupervision } from "../health/supervise-sync.ts";
import { createBackgroundDrain } from "../worker/background-drain.ts";
import { processQueue, type QueueDependencies } from "../worker/process-queue.ts";

/** Lets work continue after the answer: EdgeRuntime.waitUntil. */
export type KeepAlive = (work: Promise<void>) => unknown;

/** How long a function works through the queue after an answer. */
export const drainOptions = { budgetMilliseconds: 20_000 };

/** What a function calls after it stored work: the queue is worked through after the answer. */
export function createEdgeDrain(
  { config, call, program }: System,
  work: QueueDependencies,
  keepAlive: KeepAlive,
): () => void {
  const { beat } = createSupervision(config, call, "processor", program);
  const drain = async () => {
    await processQueue(work, drainOptions);
    await beat();
  };
  return createBackgroundDrain({ drain, keepAlive });
}
