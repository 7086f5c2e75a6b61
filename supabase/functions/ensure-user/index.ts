// The own row for whoever is signed in, also before the webhook has arrived; the mirror is worked through afterwards.

import { createConfiguredVerify } from "../_shared/clerk-sync/clerk/verify-session-token.ts";
import { setUp } from "../_shared/clerk-sync/edge/setup.ts";
import { createEdgeWork } from "../_shared/clerk-sync/edge/work.ts";
import { createEnsureUser } from "../_shared/clerk-sync/ensure-user/ensure-user.ts";
import { type EnsureUserDependencies, handleEnsureUser } from "../_shared/clerk-sync/ensure-user/handle-ensure-user.ts";
import { createAllowOrigin } from "../_shared/clerk-sync/http/allow-origin.ts";
import { createBackgroundDrain } from "../_shared/clerk-sync/worker/background-drain.ts";
import { processQueue } from "../_shared/clerk-sync/worker/process-queue.ts";

declare const EdgeRuntime: { waitUntil: (work: Promise<unknown>) => void } | undefined;

const setup = await setUp(Deno.env.toObject());
const { authorizedParties, maxAttempts } = setup.config;
const work = createEdgeWork(setup);
const onQueued = createBackgroundDrain({
  drain: () => processQueue(work, { budgetMilliseconds: 20_000 }),
  keepAlive: (drain) => (typeof EdgeRuntime === "undefined" ? undefined : EdgeRuntime.waitUntil(drain)),
});

const dependencies: EnsureUserDependencies = {
  verifySessionToken: createConfiguredVerify(setup.config, Date.now),
  ensureUser: createEnsureUser({ database: setup.database, readUser: work.readUser, maxAttempts, onQueued }),
  allowOrigin: createAllowOrigin(authorizedParties),
};

Deno.serve((request) => handleEnsureUser(request, dependencies));
