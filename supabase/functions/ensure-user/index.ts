// The own row for whoever is signed in, also before the webhook has arrived; the mirror is worked through afterwards.
import { composeEnsureUser } from "../_shared/clerk-sync/compose/ensure-user.ts";
import { composeWork } from "../_shared/clerk-sync/compose/work.ts";
import { createEdgeDrain } from "../_shared/clerk-sync/edge/drain.ts";
import { setUp } from "../_shared/clerk-sync/edge/setup.ts";
import { handleEnsureUser } from "../_shared/clerk-sync/ensure-user/handle-ensure-user.ts";
import mapping from "../_shared/clerk-sync/mapping.json" with { type: "json" };

declare const EdgeRuntime: { waitUntil: (work: Promise<unknown>) => void } | undefined;

const system = await setUp("ensure-user", Deno.env.toObject(), mapping);
const work = composeWork(system);
const drain = createEdgeDrain(system, work, (draining) =>
  typeof EdgeRuntime === "undefined" ? undefined : EdgeRuntime.waitUntil(draining),
);
const dependencies = composeEnsureUser(system, work, drain);

Deno.serve((request) => handleEnsureUser(request, dependencies));
