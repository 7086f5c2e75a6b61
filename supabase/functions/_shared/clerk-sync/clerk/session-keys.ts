import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { errorMessage, SyncError } from "../errors.ts";
import { logger } from "../logger.ts";

type SessionKeysOptions = {
  /** Where the key set is published. */
  url: URL;
  /** Unix milliseconds. */
  now: () => number;
  fetch?: typeof fetch;
};

/** Keys are looked after when they are older. A key that Clerk takes back is refused from then on. */
const freshMilliseconds = 10 * 60_000;
/** So long keys are good while newer ones cannot be fetched. */
const keptMilliseconds = 24 * 3_600_000;
/** After a fetch the next one waits: for a kid that nobody knows, and while fetching fails. */
const pauseMilliseconds = { fetched: 30_000, failed: 5000 };
const timeoutMilliseconds = 5000;

type KeySet = { find: JWTVerifyGetKey; fetchedAt: number };
type State = {
  keys: KeySet | null;
  /** Why the last fetch failed; null when it did not. */
  failure: SyncError | null;
  triedAt: number;
  fetching: Promise<void> | null;
};

/**
 * Makes the search for the key of a token among those that an issuer publishes. They are fetched by one request at a
 * time, not by every caller; while that fails, known keys go on working for a day and nobody waits for the next try.
 * Throws what jose throws when the set has no such key, and SyncError `clerk_unavailable` when it cannot be told.
 */
export function createSessionKeys(options: SessionKeysOptions): JWTVerifyGetKey {
  const state: State = { keys: null, failure: null, triedAt: Number.NEGATIVE_INFINITY, fetching: null };
  return async (header, token) => {
    const keys = await usableKeys(state, options);
    try {
      return await keys.find(header, token);
    } catch (cause) {
      if (!(cause instanceof errors.JWKSNoMatchingKey)) throw cause;
      const newer = await newerKeys(keys, state, options);
      if (newer === null) throw cause;
      return await newer.find(header, token);
    }
  };
}

async function usableKeys(state: State, options: SessionKeysOptions): Promise<KeySet> {
  const age = () => (state.keys === null ? Number.POSITIVE_INFINITY : options.now() - state.keys.fetchedAt);
  if (age() >= freshMilliseconds) {
    const refreshed = refresh(state, options); // it never throws
    if (state.failure === null || age() >= keptMilliseconds) await refreshed;
  }
  if (state.keys !== null && age() < keptMilliseconds) return state.keys;
  throw state.failure ?? neverFetched(options);
}

/** What was fetched since; null when there is nothing newer. Throws when it cannot be told: a new key may have signed. */
async function newerKeys(keys: KeySet, state: State, options: SessionKeysOptions): Promise<KeySet | null> {
  await refresh(state, options);
  if (state.failure !== null) throw state.failure;
  return state.keys === keys ? null : state.keys;
}

/** Callers share one fetch. */
function refresh(state: State, options: SessionKeysOptions): Promise<void> {
  state.fetching ??= refreshKeys(state, options).finally(() => {
    state.fetching = null;
  });
  return state.fetching;
}

async function refreshKeys(state: State, options: SessionKeysOptions): Promise<void> {
  const { failed, fetched } = pauseMilliseconds;
  if (options.now() - state.triedAt < (state.failure === null ? fetched : failed)) return;
  state.triedAt = options.now();
  try {
    state.keys = { find: createLocalJWKSet(await fetchKeys(options)), fetchedAt: state.triedAt };
    state.failure = null;
  } catch (cause) {
    const message = `Clerk's keys cannot be fetched from ${options.url.href}: ${errorMessage(cause)}`;
    state.failure = new SyncError("clerk_unavailable", message, { retryable: true, cause });
    logger.warn("session_keys.unreachable", { reason: message, has_keys: state.keys !== null });
  }
}

async function fetchKeys({ url, fetch: send = fetch }: SessionKeysOptions): Promise<JSONWebKeySet> {
  const signal = AbortSignal.timeout(timeoutMilliseconds);
  const response = await send(url, { headers: { accept: "application/json" }, redirect: "manual", signal });
  if (response.status !== 200) throw new Error(`answered ${response.status}`);
  return (await response.json()) as JSONWebKeySet; // createLocalJWKSet refuses what is none
}

function neverFetched({ url }: SessionKeysOptions): SyncError {
  return new SyncError("clerk_unavailable", `Clerk's keys were not fetched from ${url.href} yet.`, { retryable: true });
}
