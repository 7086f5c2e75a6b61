import { z } from "zod";
import type { CallFunction } from "../database/database.ts";
import { errorMessage, SyncError } from "../errors.ts";
import { delay } from "../http/async.ts";

type ClerkRateOptions = {
  /** The budget that all processes share; see clerk_sync_take_clerk_requests. */
  call: CallFunction;
  /** Decides the instance's rate. */
  secretKey: string;
  /** Live reads may use all of it; backfill and reconcile leave a part to them. */
  work: "live" | "background";
  /** Who would have to wait longer is refused instead. */
  longestWaitMilliseconds: number;
  /** Unix milliseconds. */
  now: () => number;
  sleep?: (milliseconds: number) => Promise<void>;
};

const windowSeconds = 10;
/** Requests in 10 s (Clerk docs, "System limits"). */
const rates = { production: 1000, development: 100 };
const backgroundShare = 0.7;
/** What one call to the database takes, as part of the rate, and how long it may be used. */
const chunkShare = 1 / 50;
const chunkMilliseconds = 1000;

const takenSchema = z.object({ granted: z.number(), wait_milliseconds: z.number() });

/**
 * Makes what is awaited before each request to Clerk's API: it returns when the instance's rate allows one more.
 * Requests are taken from the database's budget in small chunks, so that most of them cost no call.
 * Throws SyncError `clerk_rate_limited` with retryAfterSeconds when the budget is used up for longer than is waited.
 */
export function createClerkRateLimit(options: ClerkRateOptions): () => Promise<void> {
  const stock = { left: 0, until: 0 };
  let filling: Promise<void> | null = null;
  const fill = () => {
    filling ??= fillStock(stock, options).finally(() => {
      filling = null;
    });
    return filling;
  };
  return async () => {
    while (stock.left === 0 || options.now() >= stock.until) await fill();
    stock.left -= 1;
  };
}

async function fillStock(stock: { left: number; until: number }, options: ClerkRateOptions): Promise<void> {
  const { call, now, longestWaitMilliseconds, sleep = delay } = options;
  const most = options.secretKey.startsWith("sk_test_") ? rates.development : rates.production;
  const wanted = most * chunkShare;
  const rate = options.work === "live" ? most : Math.floor(most * backgroundShare);
  for (let waited = 0; ; ) {
    const { granted, wait_milliseconds: wait } = await take(call, wanted, rate);
    if (granted > 0) return void Object.assign(stock, { left: granted, until: now() + chunkMilliseconds });
    waited += wait;
    if (waited > longestWaitMilliseconds) throw budgetUsed(Math.ceil(wait / 1000));
    await sleep(wait);
  }
}

/** A function that is missing is that of a migration still to come: whoever asks is to try again, not to give up. */
async function take(call: CallFunction, wanted: number, rate: number): Promise<z.infer<typeof takenSchema>> {
  const args = { p_wanted: wanted, p_rate: rate, p_window_seconds: windowSeconds };
  try {
    return takenSchema.parse(await call("clerk_sync_take_clerk_requests", args));
  } catch (cause) {
    throw new SyncError("database_unavailable", `The budget of requests to Clerk: ${errorMessage(cause)}`, {
      retryable: true,
      cause,
    });
  }
}

function budgetUsed(retryAfterSeconds: number): SyncError {
  return new SyncError("clerk_budget_used", "Our own share of requests to Clerk's API is used up.", {
    retryable: true,
    retryAfterSeconds,
  });
}
