import { createConfiguredVerify } from "../clerk/verify-session-token.ts";
import { createEnsureUser } from "../ensure-user/ensure-user.ts";
import type { EnsureUserDependencies } from "../ensure-user/handle-ensure-user.ts";
import { createAllowOrigin } from "../http/allow-origin.ts";
import type { System, Work } from "./work.ts";

/** ensure-user. */
export function composeEnsureUser({ config, now }: System, work: Work, onQueued: () => void): EnsureUserDependencies {
  return {
    verifySessionToken: createConfiguredVerify(config, now),
    ensureUser: createEnsureUser({ ...work, maxAttempts: config.maxAttempts, onQueued }),
    allowOrigin: createAllowOrigin(config.authorizedParties),
  };
}
