// The processor: works through the due jobs. Called by a schedule; everything else is in ../_shared.
import { createAuthAdmin } from "../_shared/auth-admin.ts";
import { createCheckCaller } from "../_shared/check-caller.ts";
import { setUp } from "../_shared/edge-setup.ts";
import { handleProcessor, type ProcessorDependencies } from "../_shared/handle-processor.ts";
import { createMirrorUser } from "../_shared/mirror-user.ts";
import { createReadUser } from "../_shared/read-user.ts";

const { config, database, supabaseUrl, secretKey } = await setUp(Deno.env.toObject());
const processorKeys = config.processorSecret === null ? [] : [config.processorSecret];

const dependencies: ProcessorDependencies = {
  database,
  mirrorUser: config.authMirror ? createMirrorUser(createAuthAdmin({ supabaseUrl, secretKey })) : null,
  readUser: createReadUser(config),
  deleteMode: config.deleteMode,
  deleteBrake: config.deleteBrake,
  now: Date.now,
  retentionDays: config.retentionDays,
  checkCaller: createCheckCaller([...config.secretKeys, ...processorKeys]),
  budgetMilliseconds: 50_000, // the gateway gives up on a function after 150 s
};

Deno.serve((request) => handleProcessor(request, dependencies));
