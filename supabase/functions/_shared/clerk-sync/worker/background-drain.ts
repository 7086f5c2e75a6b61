import { errorCode, errorMessage } from "../errors.ts";
import { logger } from "../logger.ts";

type BackgroundDrainOptions = {
  /** Works through what is due. */
  drain: () => Promise<unknown>;
  /** Keeps the function alive until the work is done (EdgeRuntime.waitUntil). */
  keepAlive: (work: Promise<void>) => unknown;
};

/**
 * Makes what a webhook calls after it stored a job: the queue is drained after the answer, so that the row is there
 * without waiting for the schedule. A burst of events is one drain, and one more for what came during it. A drain
 * that fails is logged and left to the schedule.
 */
export function createBackgroundDrain({ drain, keepAlive }: BackgroundDrainOptions): () => void {
  const state = { isRunning: false, isWanted: false };
  const run = async () => {
    while (state.isWanted) {
      state.isWanted = false;
      await drainOnce(drain);
    }
    state.isRunning = false;
  };
  return () => {
    state.isWanted = true;
    if (state.isRunning) return;
    state.isRunning = true;
    keepAlive(run());
  };
}

async function drainOnce(drain: () => Promise<unknown>): Promise<void> {
  try {
    await drain();
  } catch (error) {
    const code = errorCode(error);
    logger.warn("drain.failed", { code, reason: errorMessage(error) });
  }
}
