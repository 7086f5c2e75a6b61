import { createClerkApi } from "../clerk/clerk-api.ts";
import { createClerkRecordsApi } from "../clerk/clerk-records-api.ts";
import { createClerkRateLimit } from "../clerk/limit-clerk-rate.ts";
import type { Config } from "../config/config.ts";
import { noRecords, type RecordFields, type UserFields } from "../config/mapping.ts";
import type { CallFunction } from "../database/database.ts";
import { createRetry } from "../http/retry-requests.ts";
import { type AuthAdmin, createAuthAdmin } from "../mirror/auth-admin.ts";
import { createAuthReader } from "../mirror/read-auth-users.ts";
import { createRunsDatabase } from "./runs-database.ts";
import type { SliceDependencies } from "./walk-run.ts";

/** What a slice waits for an answer of Clerk's, its repeats and the rate together, has to stay below the run's lease. */
const longestWaitMilliseconds = 10_000;

/** A run stops when more than this share of our users is unknown to Clerk. */
const mostUnknownPercent = 20;

/** What differs where runs are walked by a person's command: it waits, tells, and may decide otherwise. */
export type SliceChanges = Partial<
  Pick<SliceDependencies, "sleep" | "watcher" | "withValues" | "mostUnknownPercent" | "deletesForeign" | "now"> & {
    fetch: typeof fetch;
    /** What is stored of organizations and what belongs to them: recordFieldsOf the mapping. Without it nothing is. */
    records: RecordFields;
    /** Supabase Auth; without it that of SUPABASE_URL, if there is one. */
    auth: Pick<AuthAdmin, "listUsers" | "getUser" | "isEmailTaken">;
  }
>;

/** What runs of backfill and reconcile need; null without CLERK_SECRET_KEY. */
export function createSlices(
  config: Pick<Config, "clerkSecretKey" | "clerkApiUrl" | "maxAttempts" | "authMirror" | "supabaseUrl" | "secretKeys">,
  call: CallFunction,
  fields: UserFields,
  { fetch, records = noRecords, auth = authOf(config), ...changes }: SliceChanges = {},
): SliceDependencies | null {
  const { clerkSecretKey, clerkApiUrl, maxAttempts, authMirror } = config;
  if (clerkSecretKey === null) return null;
  const now = changes.now ?? Date.now;
  const takeRequest = createClerkRateLimit({
    call,
    secretKey: clerkSecretKey,
    work: "background",
    longestWaitMilliseconds,
    now,
    ...(changes.sleep ? { sleep: changes.sleep } : {}),
  });
  const retry = createRetry({ retries: 2, longestWaitMilliseconds });
  const api = {
    secretKey: clerkSecretKey,
    apiUrl: clerkApiUrl,
    takeRequest,
    retry,
    ...(fetch === undefined ? {} : { fetch }),
  };
  return {
    runs: createRunsDatabase(call, maxAttempts),
    clerk: createClerkApi(api),
    records: { clerk: createClerkRecordsApi(api), fields: records },
    fields,
    auth: authMirror && auth !== undefined ? createAuthReader(auth, retry) : null,
    mirrors: authMirror,
    checked: { runId: null },
    mostUnknownPercent,
    deletesForeign: false,
    withValues: false,
    watcher: {},
    sleep: null,
    now,
    ...changes,
  };
}

function authOf({ supabaseUrl, secretKeys }: Pick<Config, "supabaseUrl" | "secretKeys">): AuthAdmin | undefined {
  const [secretKey] = secretKeys;
  if (supabaseUrl === null || secretKey === undefined) return undefined;
  return createAuthAdmin({ supabaseUrl, secretKey });
}
