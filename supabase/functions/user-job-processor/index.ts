// The processor: works through the due jobs. Called by a schedule; everything else is in ../_shared/clerk-sync.
import { createCheckCaller } from "../_shared/clerk-sync/check-caller.ts";
import { createSlices } from "../_shared/clerk-sync/create-slices.ts";
import { setUp } from "../_shared/clerk-sync/edge-setup.ts";
import { createEdgeWork } from "../_shared/clerk-sync/edge-work.ts";
import { handleProcessor, type ProcessorDependencies } from "../_shared/clerk-sync/handle-processor.ts";
import { createSupervision } from "../_shared/clerk-sync/supervise-sync.ts";

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
