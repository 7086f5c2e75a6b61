import { createReadUser } from "../clerk/read-user.ts";
import type { Config } from "../config/config.ts";
import { type CallFunction, createDatabase, type Database } from "../database/database.ts";
import { adoptionOf } from "../mirror/adopt-holder.ts";
import { type AuthAdmin, createAuthAdmin } from "../mirror/auth-admin.ts";
import { createMirrorUser } from "../mirror/mirror-user.ts";
import type { QueueDependencies } from "../worker/process-queue.ts";

/** What a host gives to every part: a Node server, or an Edge Function. */
export type System = {
  config: Config;
  call: CallFunction;
  secretKeys: readonly string[];
  /** Where users are mirrored to; null: nowhere. */
  auth: { supabaseUrl: string; secretKey: string } | null;
  /** Unix milliseconds. */
  now: () => number;
};

export type Work = QueueDependencies & { database: Database; auth: AuthAdmin | null };

/** What works through the queue. */
export function composeWork({ config, call, auth, now }: System): Work {
  const authAdmin = auth === null ? null : createAuthAdmin(auth);
  const database = createDatabase(call);
  return {
    database,
    auth: authAdmin,
    mirrorUser: authAdmin && createMirrorUser(authAdmin, adoptionOf(config, database, now)),
    readUser: createReadUser(config, call),
    deleteMode: config.deleteMode,
    deleteBrake: config.deleteBrake,
    now,
  };
}
