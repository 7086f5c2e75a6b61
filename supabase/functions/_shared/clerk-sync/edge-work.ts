import { createAuthAdmin } from "./auth-admin.ts";
import type { EdgeSetup } from "./edge-setup.ts";
import { createMirrorUser } from "./mirror-user.ts";
import { createReadUser } from "./read-user.ts";
import type { RunDependencies } from "./run-jobs.ts";

/** What an Edge Function needs to work through the queue. */
export function createEdgeWork({ config, call, database, supabaseUrl, secretKey }: EdgeSetup): RunDependencies {
  return {
    database,
    mirrorUser: config.authMirror ? createMirrorUser(createAuthAdmin({ supabaseUrl, secretKey })) : null,
    readUser: createReadUser(config, call),
    deleteMode: config.deleteMode,
    deleteBrake: config.deleteBrake,
    now: Date.now,
  };
}
