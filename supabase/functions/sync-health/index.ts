// How the sync is, for uptime monitors and for apps: one status word for anybody, reasons for the secret key.

import { setUp } from "../_shared/clerk-sync/edge/setup.ts";
import { type HealthDependencies, handleHealth } from "../_shared/clerk-sync/health/handle-health.ts";
import { createReadHealth } from "../_shared/clerk-sync/health/read-health.ts";
import { createCheckCaller } from "../_shared/clerk-sync/http/check-caller.ts";

const { call, secretKeys, now } = await setUp(Deno.env.toObject());

const dependencies: HealthDependencies = {
  readHealth: createReadHealth({ call, now }),
  checkCaller: createCheckCaller(secretKeys),
};

Deno.serve((request) => handleHealth(request, dependencies));
