// How the sync is, for uptime monitors and for apps: one status word for anybody, reasons for the secret key.

import { setUp } from "../_shared/clerk-sync/edge/setup.ts";
import { type HealthDependencies, handleHealth } from "../_shared/clerk-sync/health/handle-health.ts";
import { createReadHealth } from "../_shared/clerk-sync/health/read-health.ts";
import { createCheckCaller } from "../_shared/clerk-sync/http/check-caller.ts";
import mapping from "../_shared/clerk-sync/mapping.json" with { type: "json" };

const { call, secretKeys, program, now } = await setUp("sync-health", Deno.env.toObject(), mapping);

const dependencies: HealthDependencies = {
  readHealth: createReadHealth({ call, program, now }),
  checkCaller: createCheckCaller(secretKeys),
};

Deno.serve((request) => handleHealth(request, dependencies));
