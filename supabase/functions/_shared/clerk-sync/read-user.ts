import { askMilliseconds, createJudgement } from "./ask-service.ts";
import { type ClerkApi, createClerkApi, type FreshUser } from "./clerk-api.ts";
import type { Config } from "./config.ts";
import type { CallFunction, JobOutcome, Read, ReadOrder } from "./database.ts";
import { createClerkRateLimit } from "./limit-clerk-rate.ts";
import { mapUser } from "./map-user.ts";
import { outcomeOfError } from "./mirror-user.ts";

export type ReadUser = ClerkApi["readUser"];

/** A job whose read would have to wait longer is tried again later: it holds a lease meanwhile. */
const longestWaitMilliseconds = 2000;

/**
 * Makes the reading of single users from Clerk's API within the instance's rate; null without CLERK_SECRET_KEY.
 * A read that fails is not repeated here: the job it is for is.
 */
export function createReadUser({ clerkSecretKey, clerkApiUrl }: Config, call: CallFunction): ReadUser | null {
  if (clerkSecretKey === null) return null;
  const takeRequest = createClerkRateLimit({
    call,
    secretKey: clerkSecretKey,
    work: "live",
    longestWaitMilliseconds,
    now: Date.now,
  });
  const options = { secretKey: clerkSecretKey, apiUrl: clerkApiUrl, takeRequest };
  const { readUser } = createClerkApi(options);
  const { countUsers } = createClerkApi({ ...options, timeoutMilliseconds: askMilliseconds });
  const judge = createJudgement({
    ask: countUsers,
    unavailable: "clerk_unavailable",
    userFailed: "clerk_user_failed",
    remedy: "Look the user up in Clerk's dashboard; see docs/errors.md.",
  });
  return async (clerkId) => {
    try {
      return await readUser(clerkId);
    } catch (error) {
      throw await judge(error);
    }
  };
}

/** Reads one user from Clerk's API: what is to be applied, or how the attempt ends that could not read it. */
export async function outcomeOfRead(order: ReadOrder, readUser: ReadUser): Promise<Read | JobOutcome> {
  try {
    return toRead(order.job_id, await readUser(order.clerk_id));
  } catch (error) {
    return outcomeOfError(order.job_id, error);
  }
}

function toRead(jobId: string, fresh: FreshUser): Read {
  if (fresh.deleted) return { job_id: jobId, deleted: true };
  return { job_id: jobId, deleted: false, version: fresh.version, payload: { ...mapUser(fresh.user) } };
}
