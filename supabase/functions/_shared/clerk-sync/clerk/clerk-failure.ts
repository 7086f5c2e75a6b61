import { z } from "zod";
import { SyncError } from "../errors.ts";
import { readRetryAfter } from "../http/retry-after.ts";

const failureSchema = z.object({ errors: z.array(z.object({ code: z.string() })).min(1) });

/**
 * Reads an answer of Clerk's API that is no success. Returns null for its own `resource_not_found`: only that says
 * that a user is deleted. A 404 of anybody else (a proxy, a wrong CLERK_API_URL) taken for that would delete every
 * user. Throws SyncError for everything else.
 */
export async function readFailure(response: Response): Promise<null> {
  const body = failureSchema.safeParse(await response.json().catch(() => null));
  const code = body.success ? body.data.errors[0]?.code : undefined;
  const { status } = response;
  if (status === 404 && code === "resource_not_found") return null;
  if (status === 404) throw clerkUnavailable("answered 404 in a form that is not Clerk's. Is CLERK_API_URL right?");
  if (status === 401 || status === 403) throw unauthorized(status, code);
  if (status === 429) throw clerkRateLimited(readRetryAfter(response.headers));
  if (status >= 500 || code === undefined) throw clerkUnavailable(`answered ${status}.`);
  throw new SyncError("clerk_rejected", `Clerk's API refused the request: ${status} ${code}.`);
}

export function clerkUnavailable(what: string, cause?: unknown): SyncError {
  return new SyncError("clerk_unavailable", `Clerk's API ${what}`, { retryable: true, cause });
}

function clerkRateLimited(retryAfter: { retryAfterSeconds?: number }): SyncError {
  return new SyncError("clerk_rate_limited", "Clerk's API asks to slow down.", { retryable: true, ...retryAfter });
}

/** 403 also says that the instance has no organizations. */
function unauthorized(status: number, code: string | undefined): SyncError {
  const answer = status === 403 && code !== undefined ? `${status} ${code}` : `${status}`;
  const remedy = `Check CLERK_SECRET_KEY${status === 403 ? ", and whether organizations are on at Clerk" : ""}.`;
  return new SyncError("clerk_unauthorized", `Clerk's API refused the key (${answer}). ${remedy}`, { retryable: true });
}
