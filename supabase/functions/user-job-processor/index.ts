// The processor: works through the due jobs. Called by a schedule; everything else is in ../_shared/clerk-sync.
import { composeProcessor, composeSlices } from "../_shared/clerk-sync/compose/processor.ts";
import { composeWork } from "../_shared/clerk-sync/compose/work.ts";
import { setUp } from "../_shared/clerk-sync/edge/setup.ts";
import { createSupervision } from "../_shared/clerk-sync/health/supervise-sync.ts";
import mapping from "../_shared/clerk-sync/mapping.json" with { type: "json" };
import { handleProcessor } from "../_shared/clerk-sync/worker/handle-processor.ts";

const system = await setUp("user-job-processor", Deno.env.toObject(), mapping);
const work = composeWork(system);
const dependencies = composeProcessor(
  system,
  { ...work, slices: composeSlices(system, work) },
  {
    supervision: createSupervision(system.config, system.call, "processor", system.program),
    budgetMilliseconds: 50_000, // the gateway gives up on a function after 150 s
  },
);

Deno.serve((request) => handleProcessor(request, dependencies));
