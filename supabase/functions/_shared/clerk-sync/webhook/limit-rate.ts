import { SyncError } from "../errors.ts";
import { type Bucket, createSources, take } from "../http/limit-sources.ts";
import { createFloodLog } from "../http/log-flood.ts";
import { couldBeGenuine } from "./verify-signature.ts";

/** What the webhook takes in over time. Its methods throw SyncError `rate_limited`. */
export type RateLimit = {
  /** Before anything costly: a source with too many wrong signatures goes on only with what could be genuine. */
  checkSource: (source: string, headers: Headers) => void;
  /** The signature was wrong. */
  addBadSignature: (source: string) => void;
  /** The event is verified and goes to the database. */
  addEvent: () => void;
};

export type RateLimitOptions = {
  maxPerSecond: number;
  badSignaturesPerMinute: number;
  /** Unix milliseconds. */
  now: () => number;
  /** Sources remembered at once; the one that was quiet longest is forgotten first. */
  maxSources?: number;
};

/**
 * Makes the limits in memory, each for this process alone. A source is limited in what it gets wrong, never in what it
 * gets right: whoever sends under the address of Svix must not take Clerk's events with them. So a request that could
 * be genuine is always verified, and one that was is never refused for its source. The limit of events only delays:
 * Svix delivers again after a 429, a minute later at the earliest (Svix, "Retries").
 */
export function createRateLimit(options: RateLimitOptions): RateLimit {
  const { maxPerSecond, badSignaturesPerMinute, now } = options;
  const events: Bucket = { tokens: maxPerSecond, at: now() };
  const eventRate = { most: maxPerSecond, perMillisecond: maxPerSecond / 1000 };
  const sourceRate = { most: badSignaturesPerMinute, perMillisecond: badSignaturesPerMinute / 60_000 };
  const sources = createSources(sourceRate, options.maxSources ?? 10_000, now);
  const logLimited = createFloodLog("webhook.rate_limited", now);
  const refuse = (limit: "source" | "events", message: string, retryAfterSeconds: number): never => {
    logLimited({ limit });
    throw new SyncError("rate_limited", message, { retryable: true, retryAfterSeconds });
  };
  const refuseSource = () =>
    refuse("source", "Too many wrong signatures from this address.", Math.ceil(60 / badSignaturesPerMinute));
  return {
    checkSource: (source, headers) => {
      if (sources.isExhausted(source) && !couldBeGenuine(headers, now())) refuseSource();
    },
    addBadSignature: (source) => {
      if (!sources.take(source)) refuseSource();
    },
    addEvent: () => {
      if (!take(events, eventRate, now())) refuse("events", "Too many events in this second. Send it again.", 1);
    },
  };
}
