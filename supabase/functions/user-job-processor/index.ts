// The processor: works through the due jobs. Called by a schedule; everything else is in ../_shared/clerk-sync.

import { setUp } from "../_shared/clerk-sync/edge/setup.ts";
import { createEdgeWork } from "../_shared/clerk-sync/edge/work.ts";
import { createSupervision } from "../_shared/clerk-sync/health/supervise-sync.ts";
import { createCheckCaller } from "../_shared/clerk-sync/http/check-caller.ts";
import { createSlices } from "../_shared/clerk-sync/reconcile/create-slices.ts";
import { handleProcessor, type ProcessorDependencies } from "../_shared/clerk-sync/worker/handle-processor.ts";

const setup = await setUp(Deno.env.toObject());
const { secretKeys, processorSecret, retentionDays } = setup.config;

const dependencies: ProcessorDependencies = {
  ...createEdgeWork(setup),
  slices: createSlices(setup.config, setup.call),
  retentionDays,
  supervision: createSupervision(setup.config, setup.call, "processor"),
  checkCaller: createCheckCaller(processorSecret === null ? secretKeys : [...secretKeys, processorSecret]),
  budgetMilliseconds: 50_000, // the gateway gives up on a function after 150 s
};

Deno.serve((request) => handleProcessor(request, dependencies));
