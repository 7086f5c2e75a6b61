import { SyncError } from "./errors.ts";
import { createFloodLog } from "./log-flood.ts";

/** What one request takes of the limits while it is in hand. Its methods throw SyncError `overloaded`. */
export type LoadAccount = {
  /** So many more bytes of the body have arrived. */
  addBytes: (count: number) => void;
  /** The event is verified and goes to the database. */
  addEvent: () => void;
  /** Gives everything back. */
  close: () => void;
};

export type LoadLimit = { open: () => LoadAccount };

export type LoadLimitOptions = {
  /** Verified events in hand at once. */
  events: number;
  /** Bytes of bodies in memory at once. */
  bytes: number;
  /** Unix milliseconds. */
  now: () => number;
};

/**
 * Makes the limits that keep the server from falling over. Only verified events count as events: unsigned or
 * unfinished requests must not take the places of real ones, they are bounded by their bytes.
 */
export function createLoadLimit({ events, bytes, now }: LoadLimitOptions): LoadLimit {
  const inHand = { events: 0, bytes: 0 };
  const most = { events, bytes };
  const logShed = createFloodLog("webhook.shed", now);
  const take = (kind: "events" | "bytes", count: number) => {
    if (inHand[kind] + count > most[kind]) {
      logShed();
      // 503: Svix delivers again after 5 s; a 429 would make it wait a minute (Svix, "Retries").
      const message = "The server has too many requests in hand. Send it again.";
      throw new SyncError("overloaded", message, { retryable: true, retryAfterSeconds: 5 });
    }
    inHand[kind] += count;
  };
  return {
    open: () => {
      const own = { events: 0, bytes: 0 };
      const add = (kind: "events" | "bytes", count: number) => {
        take(kind, count);
        own[kind] += count;
      };
      return {
        addBytes: (count) => add("bytes", count),
        addEvent: () => add("events", 1),
        close: () => {
          inHand.events -= own.events;
          inHand.bytes -= own.bytes;
          own.events = 0;
          own.bytes = 0;
        },
      };
    },
  };
}
