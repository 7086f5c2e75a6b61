import { adoptionOf } from "./adopt-holder.ts";
import { type AuthAdmin, createAuthAdmin } from "./auth-admin.ts";
import type { EdgeSetup } from "./edge-setup.ts";
import { createMirrorUser } from "./mirror-user.ts";
import { createReadUser } from "./read-user.ts";
import type { RunDependencies } from "./run-jobs.ts";

/** What an Edge Function needs to work through the queue. */
export function createEdgeWork({
  config,
  call,
  database,
  supabaseUrl,
  secretKey,
}: EdgeSetup): RunDependencies & { auth: AuthAdmin | null } {
  const auth = config.authMirror ? createAuthAdmin({ supabaseUrl, secretKey }) : null;
  return {
    database,
    auth,
    mirrorUser: auth && createMirrorUser(auth, adoptionOf(config, database, Date.now)),
    readUser: createReadUser(config, call),
    deleteMode: config.deleteMode,
    deleteBrake: config.deleteBrake,
    now: Date.now,
  };
}
