import { SyncError } from "../errors.ts";
import { createFloodLog } from "../http/log-flood.ts";
import { maxBodyBytes } from "../http/read-body.ts";

/** What one request takes of the limits while it is under way. Its methods throw SyncError `overloaded`. */
export type LoadAccount = {
  /** So many more bytes of the body have arrived, or are announced. */
  addBytes: (count: number) => void;
  /** The event is verified and goes to the database. */
  addEvent: () => void;
  /** Gives everything back. */
  close: () => void;
};

export type LoadLimit = {
  /** `source` is where the request seems to come from, see read-source.ts. */
  open: (source: string) => LoadAccount;
};

export type LoadLimitOptions = {
  /** Verified events under way together. */
  events: number;
  /** Bytes of bodies in memory together. */
  bytes: number;
  /** Unix milliseconds. */
  now: () => number;
};

/** An event of Clerk's is 2 to 30 kB. A body counts as large when more of it has arrived. */
const smallBodyBytes = 64 * 1024;

type Held = { small: number; large: number };
type Kind = keyof Held;

/**
 * Makes the limits that keep the server from falling over. Only verified events count as events: unsigned or
 * unfinished requests must not take the places of real ones, they are bounded by their bytes. A quarter of the bytes is
 * kept for small bodies, and large ones of one source get an eighth: bodies that never end cannot take the memory that
 * Clerk's events need, not even when they come from the same source. Small ones of one source get three quarters.
 */
export function createLoadLimit({ events, bytes, now }: LoadLimitOptions): LoadLimit {
  const total = { events: 0, small: 0, large: 0 };
  const sources = new Map<string, Held>();
  const mostOfSource: Held = { small: bytes * 0.75, large: Math.max(bytes / 8, maxBodyBytes) };
  const logShed = createFloodLog("webhook.shed", now);
  const refuse = (): never => {
    logShed();
    // 503: Svix delivers again after 5 s; a 429 would make it wait a minute (Svix, "Retries").
    const message = "The server has too many requests under way. Send it again.";
    throw new SyncError("overloaded", message, { retryable: true, retryAfterSeconds: 5 });
  };
  const hold = (source: string, kind: Kind, count: number) => {
    const held = sources.get(source) ?? { small: 0, large: 0 };
    held[kind] += count;
    total[kind] += count;
    if (held.small + held.large > 0) sources.set(source, held);
    else sources.delete(source);
  };
  const fits = (source: string, kind: Kind, count: number): boolean =>
    total.small + total.large + count <= bytes &&
    (sources.get(source)?.[kind] ?? 0) + count <= mostOfSource[kind] &&
    (kind === "small" || total.large + count <= bytes * 0.75);
  return {
    open: (source) => {
      const own = { events: 0, bytes: 0 };
      const release = () => hold(source, kindOf(own.bytes), -own.bytes);
      return {
        addBytes: (count) => {
          release(); // a small body that grows is a large one from its first byte
          const grown = own.bytes + count;
          const isTaken = fits(source, kindOf(grown), grown);
          if (isTaken) own.bytes = grown;
          hold(source, kindOf(own.bytes), own.bytes);
          if (!isTaken) refuse();
        },
        addEvent: () => {
          if (total.events + 1 > events) refuse();
          total.events += 1;
          own.events += 1;
        },
        close: () => {
          release();
          total.events -= own.events;
          own.events = 0;
          own.bytes = 0;
        },
      };
    },
  };
}

function kindOf(bytes: number): Kind {
  return bytes > smallBodyBytes ? "large" : "small";
}
