import type { Database } from "../database/database.ts";
import { type ErrorCode, SyncError } from "../errors.ts";

/** One event may be at fault itself. */
const severalRefusals = 3;
/** Svix delivers again after 5 s, later after minutes: what is older says nothing of now. */
const rememberedMilliseconds = 60_000;

type StoreWatch = {
  acceptEvents: Database["enqueue"];
  /** Why the last events were not stored; null when one was, and when none came for a minute. */
  refusal: () => ErrorCode | null;
};

/** Watches how the storing of events ends: a health that reads only does not know that every event is refused. */
export function watchStores(accept: Database["enqueue"], now: () => number): StoreWatch {
  let refused: { count: number; at: number; code: ErrorCode } | null = null;
  return {
    acceptEvents: async (jobs, maxAttempts) => {
      try {
        const stored = await accept(jobs, maxAttempts);
        refused = null;
        return stored;
      } catch (error) {
        const code = error instanceof SyncError ? error.code : "database_unavailable";
        refused = { count: (refused?.count ?? 0) + 1, at: now(), code };
        throw error;
      }
    },
    refusal: () => {
      const isKnown =
        refused !== null && refused.count >= severalRefusals && now() - refused.at < rememberedMilliseconds;
      return isKnown ? (refused?.code ?? null) : null;
    },
  };
}
