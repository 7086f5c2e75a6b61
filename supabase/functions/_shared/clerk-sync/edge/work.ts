import { createReadUser } from "../clerk/read-user.ts";
import { adoptionOf } from "../mirror/adopt-holder.ts";
import { type AuthAdmin, createAuthAdmin } from "../mirror/auth-admin.ts";
import { createMirrorUser } from "../mirror/mirror-user.ts";
import type { QueueDependencies } from "../worker/process-queue.ts";
import type { EdgeSetup } from "./setup.ts";

/** What an Edge Function needs to work through the queue. */
export function createEdgeWork({
  config,
  call,
  database,
  supabaseUrl,
  secretKey,
}: EdgeSetup): QueueDependencies & { auth: AuthAdmin | null } {
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
