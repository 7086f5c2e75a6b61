import { createClerkRecordsApi } from "../clerk/clerk-records-api.ts";
import { clerkRequests, createReadUser } from "../clerk/read-user.ts";
import type { Config } from "../config/config.ts";
import { fieldsOf, type RuntimeMapping, recordFieldsOf, type UserFields } from "../config/mapping.ts";
import { type CallFunction, createDatabase, type Database } from "../database/database.ts";
import type { Program } from "../database/program.ts";
import { adoptionOf } from "../mirror/adopt-holder.ts";
import { type AuthAdmin, createAuthAdmin } from "../mirror/auth-admin.ts";
import { createMirrorUser } from "../mirror/mirror-user.ts";
import type { QueueDependencies } from "../worker/process-queue.ts";
import { createReadRecord, type ReadRecord } from "../worker/read-record.ts";

/** What a host gives to every part: a Node server, or an Edge Function. */
export type System = {
  config: Config;
  mapping: RuntimeMapping;
  program: Program;
  call: CallFunction;
  secretKeys: readonly string[];
  /** Where users are mirrored to; null: nowhere. */
  auth: { supabaseUrl: string; secretKey: string } | null;
  /** Unix milliseconds. */
  now: () => number;
};

export type Work = QueueDependencies & { database: Database; auth: AuthAdmin | null };

/** What payloads hold of a user. */
export function composeFields({ config, mapping }: System): UserFields {
  return fieldsOf(mapping, config.authMirror);
}

/** Null without CLERK_SECRET_KEY, and where only users are stored. */
function createRecordReads(system: System, database: Database): ReadRecord | null {
  const fields = recordFieldsOf(system.mapping);
  const requests = clerkRequests(system.config, system.call);
  if (requests === null || fields.size === 0) return null;
  return createReadRecord(createClerkRecordsApi(requests), fields, database.enqueue, system.config.maxAttempts);
}

/** What works through the queue. */
export function composeWork(system: System): Work {
  const { config, call, auth, now } = system;
  const authAdmin = auth === null ? null : createAuthAdmin(auth);
  const database = createDatabase(call);
  return {
    database,
    auth: authAdmin,
    mirrorUser: authAdmin && createMirrorUser(authAdmin, adoptionOf(config, database, now)),
    readUser: createReadUser(config, call),
    readRecord: createRecordReads(system, database),
    fields: composeFields(system),
    deleteBrake: config.deleteBrake,
    now,
  };
}
