import { z } from "zod";
import { errorMessage, SyncError } from "./errors.ts";
import { type ClerkUser, parseUser, toMilliseconds } from "./parse-event.ts";
import { readRetryAfter } from "./retry-after.ts";

/** What Clerk's API says of a user now. `version` is its updated_at in Unix milliseconds. */
export type FreshUser = { deleted: true } | { deleted: false; version: number; user: ClerkUser };

/** The door to Clerk's Backend API. */
export type ClerkApi = {
  /** One user as it is now. */
  readUser: (clerkId: string) => Promise<FreshUser>;
};

export type ClerkApiOptions = {
  secretKey: string;
  /** With or without /v1 at its end. */
  apiUrl?: string;
  fetch?: typeof fetch;
  timeoutMilliseconds?: number;
};

/** The version this client was written for (Clerk docs, "Versioning"). */
const apiVersion = "2026-05-12";
const failureSchema = z.object({ errors: z.array(z.object({ code: z.string() })).min(1) });

/**
 * Makes the door over plain HTTP: the SDK drops fields, retries nothing, and takes any 404 for an answer.
 * Its methods throw SyncError: `clerk_unavailable`, `clerk_rate_limited` with retryAfterSeconds,
 * `clerk_unauthorized` (all worth another attempt) or `clerk_rejected` (never will be answered).
 */
export function createClerkApi(options: ClerkApiOptions): ClerkApi {
  return {
    readUser: async (clerkId) => {
      const response = await send(options, `/users/${encodeURIComponent(clerkId)}`);
      return response.ok ? readFresh(clerkId, response) : readFailure(response);
    },
  };
}

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
    throw unavailable(`cannot be reached: ${errorMessage(cause)}`, cause);
  }
}

async function readFresh(clerkId: string, response: Response): Promise<FreshUser> {
  const user = await response
    .json()
    .then(parseUser)
    .catch((cause: unknown) => {
      throw unavailable("answered in an unknown form.", cause);
    });
  if (user.id !== clerkId) throw unavailable("answered with another user than was asked for.");
  return { deleted: false, version: toMilliseconds(user.updated_at), user };
}

/**
 * Only Clerk's own `resource_not_found` says that a user is deleted. A 404 of anybody else (a proxy, a wrong
 * CLERK_API_URL) taken for that would delete every user.
 */
async function readFailure(response: Response): Promise<FreshUser> {
  const body = failureSchema.safeParse(await response.json().catch(() => null));
  const code = body.success ? body.data.errors[0]?.code : undefined;
  const { status } = response;
  if (status === 404 && code === "resource_not_found") return { deleted: true };
  if (status === 404) throw unavailable("answered 404 in a form that is not Clerk's. Is CLERK_API_URL right?");
  if (status === 401 || status === 403) throw unauthorized(status);
  if (status === 429) throw rateLimited(response);
  if (status >= 500 || code === undefined) throw unavailable(`answered ${status}.`);
  throw new SyncError("clerk_rejected", `Clerk's API refused the request: ${status} ${code}.`);
}

function unavailable(what: string, cause?: unknown): SyncError {
  return new SyncError("clerk_unavailable", `Clerk's API ${what}`, { retryable: true, cause });
}

function unauthorized(status: number): SyncError {
  return new SyncError("clerk_unauthorized", `Clerk's API refused the key (${status}). Check CLERK_SECRET_KEY.`, {
    retryable: true,
  });
}

function rateLimited(response: Response): SyncError {
  return new SyncError("clerk_rate_limited", "Clerk's API asks to slow down.", {
    retryable: true,
    ...readRetryAfter(response.headers),
  });
}
