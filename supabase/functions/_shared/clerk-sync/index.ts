/**
 * What the npm package `clerk-supabase-sync` exports: all that is needed to mount the webhook, and the worker if one
 * likes, in a server of one's own, on any runtime with Web APIs. The Edge Functions import the files beside this one.
 *
 * @example
 * ```ts
 * const config = readConfig(process.env); // names every problem at once
 * const { supabaseUrl, webhookSecrets, secretKeys: [secretKey], webhookRate, maxAttempts, authMirror } = config;
 * if (supabaseUrl === null || secretKey === undefined) throw new Error("Set SUPABASE_URL and SUPABASE_SECRET_KEY.");
 * const webhook: WebhookDependencies = {
 *   acceptEvents: createDatabase(createSupabaseRpc(supabaseUrl, secretKey)).enqueue,
 *   verifySignature: createVerifySignature(webhookSecrets, Date.now),
 *   fields: fieldsOf(parseMapping(mapping), authMirror), // import mapping from "…/mapping.json" with { type: "json" }
 *   loadLimit: createLoadLimit({ events: 256, bytes: 64 * 1024 * 1024, now: Date.now }),
 *   rateLimit: createRateLimit({ ...webhookRate, now: Date.now }),
 *   maxAttempts,
 *   onQueued: () => undefined, // the schedule, or a worker elsewhere, works through the queue
 * };
 * export const POST = (request: Request): Promise<Response> => handleWebhook(request, webhook);
 * ```
 *
 * @module
 */

// Settings, errors, log

export { type Config, type DeleteBrake, type Environment, readConfig } from "./config/config.ts";
export {
  fieldsOf,
  parseMapping,
  type RecordFields,
  type RuntimeMapping,
  recordFieldsOf,
  type UserFields,
} from "./config/mapping.ts";
export { type ErrorCode, errorMessage, SyncError, type SyncErrorOptions } from "./errors.ts";
export { type LogLevel, startLogging } from "./logger.ts";

// The webhook: one delivery in, one answer out

export { signWebhook } from "./http/sign-webhook.ts";
export { handleWebhook, type WebhookDependencies } from "./webhook/handle-webhook.ts";
export { createLoadLimit, type LoadAccount, type LoadLimit, type LoadLimitOptions } from "./webhook/limit-load.ts";
export { createRateLimit, type RateLimit, type RateLimitOptions } from "./webhook/limit-rate.ts";
export type { DeliveryHooks, DeliveryNote, Refusal } from "./webhook/notify-hook.ts";
export {
  createDeliveryRecorder,
  type DeliveryRecorder,
  type DeliveryRecorderOptions,
} from "./webhook/record-deliveries.ts";
export { createVerifySignature, type VerifySignature } from "./webhook/verify-signature.ts";

// ensure-user: the caller's own row, also before the webhook; waitForUser is its client

export { createConfiguredVerify, createVerifySessionToken } from "./clerk/verify-session-token.ts";
export { createEnsureUser } from "./ensure-user/ensure-user.ts";
export { type EnsureUserDependencies, handleEnsureUser } from "./ensure-user/handle-ensure-user.ts";
export { type UserRow, type WaitForUserOptions, waitForUser } from "./ensure-user/wait-for-user.ts";
export { createAllowOrigin } from "./http/allow-origin.ts";

// The worker: what is due in the queue, into users and Supabase Auth

export { createReadUser, type ReadUser } from "./clerk/read-user.ts";
export { type CheckCaller, createCheckCaller } from "./http/check-caller.ts";
export { adoptionOf } from "./mirror/adopt-holder.ts";
export { type AuthAdmin, createAuthAdmin } from "./mirror/auth-admin.ts";
export { createMirrorUser, type MirrorUser } from "./mirror/mirror-user.ts";
export { createBackgroundDrain } from "./worker/background-drain.ts";
export { handleProcessor, type ProcessorDependencies } from "./worker/handle-processor.ts";
export { processQueue, type QueueDependencies, type QueueOptions, type QueueResult } from "./worker/process-queue.ts";

// Health: how the sync is, for monitors and for apps; createHealthGate is the apps' side

export { createHealthGate, type HealthGate, type HealthGateOptions } from "./health/create-health-gate.ts";
export { type HealthDependencies, handleHealth } from "./health/handle-health.ts";
export type { Health, HealthReason, HealthStatus } from "./health/judge-health.ts";
export { createReadHealth, type ReadHealth, type ReadHealthOptions } from "./health/read-health.ts";
export { createSupervision, type Supervision } from "./health/supervise-sync.ts";
export { createMetricsResponse } from "./metrics/metrics-response.ts";

// The door to the database: over Supabase's API, or over any driver by a CallFunction of one's own

export {
  type AcceptedEvent,
  type Batch,
  type CallFunction,
  createDatabase,
  type Database,
  databaseError,
  type JobOutcome,
  type MirrorOrder,
  type NewJob,
  type Read,
  type ReadOrder,
} from "./database/database.ts";
export type { Job, JobType } from "./database/job.ts";
export type { Program } from "./database/program.ts";
export { checkSchemaVersion, schemaVersion } from "./database/schema-version.ts";
export { createSupabaseRpc } from "./database/supabase-rpc.ts";
