import { SyncError } from "../errors.ts";
import { networkReason } from "../http/network-reason.ts";
import type { Retry } from "../http/retry-requests.ts";
import { clerkUnavailable, readFailure } from "./clerk-failure.ts";

export type ClerkApiOptions = {
  secretKey: string;
  /** With or without /v1 at its end. */
  apiUrl?: string;
  fetch?: typeof fetch;
  timeoutMilliseconds?: number;
  /** Waits until the instance's rate allows one more request; see limit-clerk-rate.ts. */
  takeRequest?: () => Promise<void>;
  /** Tries failed requests again; without it a failure is the caller's at once. */
  retry?: Retry;
};

/** The version this client was written for (Clerk docs, "Versioning"). */
const apiVersion = "2026-05-12";

export function notAnId(): SyncError {
  return new SyncError("clerk_rejected", "Clerk's API is not asked for an id of dots.");
}

/**
 * Clerk answers 422 for a whole batch when one of its ids is not to its liking, and does not say which: the batch is
 * halved until that one is alone, and `refused` makes the page of it.
 */
export async function readInParts<Page>(
  ids: readonly string[],
  read: (ids: readonly string[]) => Promise<Page>,
  refused: (ids: readonly string[]) => Page,
  join: (first: Page, second: Page) => Page,
): Promise<Page> {
  try {
    return await read(ids);
  } catch (error) {
    if (!(error instanceof SyncError && error.code === "clerk_rejected")) throw error;
    if (ids.length <= 1) return refused(ids);
  }
  const half = Math.ceil(ids.length / 2);
  const first = await readInParts(ids.slice(0, half), read, refused, join);
  return join(first, await readInParts(ids.slice(half), read, refused, join));
}

/** Null when Clerk says that what was asked for does not exist. */
export async function get<Output>(
  options: ClerkApiOptions,
  path: string,
  read: (body: unknown) => Output,
): Promise<Output | null> {
  const attempt = async () => {
    await options.takeRequest?.();
    const response = await send(options, path);
    return response.ok ? await readBody(response, read) : await readFailure(response);
  };
  return await (options.retry === undefined ? attempt() : options.retry(attempt));
}

/** The one place where a request goes out. */
async function send(options: ClerkApiOptions, path: string): Promise<Response> {
  const { apiUrl = "https://api.clerk.com", secretKey, timeoutMilliseconds = 10_000 } = options;
  const base = apiUrl.replace(/\/+$/, "").replace(/\/v1$/, "");
  try {
    return await (options.fetch ?? fetch)(`${base}/v1${path}`, {
      headers: { authorization: `Bearer ${secretKey}`, "clerk-api-version": apiVersion, accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
  } catch (cause) {
    throw clerkUnavailable(`cannot be reached at ${originOf(base)}: ${networkReason(cause)}.`, cause);
  }
}

function originOf(base: string): string {
  return URL.canParse(base) ? new URL(base).origin : base;
}

async function readBody<Output>(response: Response, read: (body: unknown) => Output): Promise<Output> {
  try {
    return read(await response.json());
  } catch (cause) {
    throw clerkUnavailable("answered in an unknown form.", cause);
  }
}
