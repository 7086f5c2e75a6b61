import type { Config } from "../config/config.ts";
import type { CallFunction } from "../database/database.ts";
import { askMilliseconds, createJudgement } from "../http/ask-service.ts";
import { type ClerkApi, createClerkApi } from "./clerk-api.ts";
import type { ClerkApiOptions } from "./clerk-requests.ts";
import { createClerkRateLimit } from "./limit-clerk-rate.ts";

export type ReadUser = ClerkApi["readUser"];

/** A job whose read would have to wait longer is tried again later: it holds a lease meanwhile. */
const longestWaitMilliseconds = 2000;

/** How live work asks Clerk's API, within the instance's rate; null without CLERK_SECRET_KEY. */
export function clerkRequests({ clerkSecretKey, clerkApiUrl }: Config, call: CallFunction): ClerkApiOptions | null {
  if (clerkSecretKey === null) return null;
  const takeRequest = createClerkRateLimit({
    call,
    secretKey: clerkSecretKey,
    work: "live",
    longestWaitMilliseconds,
    now: Date.now,
  });
  return { secretKey: clerkSecretKey, apiUrl: clerkApiUrl, takeRequest };
}

/**
 * Makes the reading of single users from Clerk's API within the instance's rate; null without CLERK_SECRET_KEY.
 * A read that fails is not repeated here: the job it is for is.
 */
export function createReadUser(config: Config, call: CallFunction): ReadUser | null {
  const options = clerkRequests(config, call);
  if (options === null) return null;
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
