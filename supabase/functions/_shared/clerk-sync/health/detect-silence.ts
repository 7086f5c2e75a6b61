import { z } from "zod";
import type { ClerkApi } from "../clerk/clerk-api.ts";
import { mapUser } from "../clerk/map-user.ts";
import type { PageUser } from "../clerk/parse-page.ts";
import type { CallFunction } from "../database/database.ts";
import { SyncError } from "../errors.ts";
import { logger } from "../logger.ts";

export type SilenceDependencies = {
  call: CallFunction;
  clerk: Pick<ClerkApi, "listRecentlyUpdated" | "readUser" | "countUsers">;
};

/** unknown: Clerk's API did not answer; skipped: somebody checked a moment ago. */
export type SilenceResult = "none" | "suspected" | "confirmed" | "unknown" | "skipped";

/** Checks, unless that was done within everySeconds, whether Clerk still delivers. */
export type CheckSilence = (everySeconds: number) => Promise<SilenceResult>;

/** A change may be that late: Svix tries at once, after 5 seconds and after 5 minutes (Svix, "Retries"). */
const graceMilliseconds = 10 * 60_000;
/** By then the fourth attempt, half an hour later and 20 % off at most, has passed as well. */
const confirmedMilliseconds = 45 * 60_000;
/** Changes at Clerk that are looked through, the newest first. */
const pages = [100, 500, 500, 500];
/** Users that are read again, one by one, before they count. */
const mostConfirmed = 5;

const begunSchema = z.object({ now: z.string(), installed_at: z.string(), last_accepted_at: z.string().nullable() });
const behindSchema = z.array(z.object({ clerk_id: z.string(), known: z.boolean(), fields: z.array(z.string()) }));
const endedSchema = z.object({
  state: z.enum(["suspected", "confirmed"]).nullable(),
  since: z.string().nullable(),
  changed: z.boolean(),
});

type Found = { state: "suspected" | "confirmed" | null; since: string | null; missing: number; users_at_clerk: number };
type Moments = { now: number; after: number; lastAccepted: number | null };

/**
 * Makes the check that tells silence from quiet: Clerk's newest changes are compared with what is here. A newer
 * `updated_at` alone proves nothing, a sign-in may move it without an event; what counts is a user who is unknown here
 * or differs, still does when read again, and changed after the last delivery that was taken, more than ten minutes ago.
 * Only a delivery ends a silence: what was missing may have been brought by a reconcile.
 * Throws SyncError of the database; what Clerk's API says no to is recorded as not known.
 */
export function createSilenceCheck(dependencies: SilenceDependencies): CheckSilence {
  const { call } = dependencies;
  return async (everySeconds) => {
    const begun = await call("clerk_sync_begin_silence_check", { p_every_seconds: everySeconds });
    if (begun === null) return "skipped";
    const found = await tryToFind(dependencies, begunSchema.parse(begun));
    const ended = endedSchema.parse(await call("clerk_sync_end_silence_check", { p_found: found }));
    if ("error" in found) {
      logger.warn("silence.unknown", { code: found.error });
      return "unknown";
    }
    if (ended.changed) report(ended, found.missing);
    return ended.state ?? "none";
  };
}

function report({ state, since }: z.infer<typeof endedSchema>, missing: number): void {
  if (state === null) {
    logger.warn("silence.ended");
    return;
  }
  const reason = `Deliveries have stopped since ${since}, the endpoint may be disabled.`;
  const remedy = `In Clerk's dashboard: Webhooks, the endpoint, enable it; then Replay, missing messages since ${since}.`;
  logger.error(`silence.${state}`, { since, missing, reason, remedy });
}

async function tryToFind(
  dependencies: SilenceDependencies,
  begun: z.infer<typeof begunSchema>,
): Promise<Found | { error: string }> {
  const lastAccepted = begun.last_accepted_at === null ? null : Date.parse(begun.last_accepted_at);
  const after = lastAccepted ?? Date.parse(begun.installed_at);
  try {
    return await find(dependencies, { now: Date.parse(begun.now), after, lastAccepted });
  } catch (error) {
    if (error instanceof SyncError && error.code.startsWith("clerk_")) return { error: error.code };
    throw error;
  }
}

async function find(dependencies: SilenceDependencies, moments: Moments): Promise<Found> {
  const users_at_clerk = await dependencies.clerk.countUsers();
  const missing = await confirm(dependencies, await findBehind(dependencies, moments), moments);
  if (missing.length === 0) return { state: null, since: null, missing: 0, users_at_clerk };
  const oldest = Math.min(...missing.map((user) => user.version));
  const state = moments.now - oldest > confirmedMilliseconds ? "confirmed" : "suspected";
  const since = new Date(moments.lastAccepted ?? oldest).toISOString();
  return { state, since, missing: missing.length, users_at_clerk };
}

/** Users whose change should have been delivered by now, and was not; the oldest change first. */
async function findBehind({ call, clerk }: SilenceDependencies, moments: Moments): Promise<PageUser[]> {
  const isDue = ({ version }: PageUser) => version > moments.after && version <= moments.now - graceMilliseconds;
  if (moments.now - moments.after <= graceMilliseconds) return [];
  for (let offset = 0, place = 0; place < pages.length; offset += pages[place] ?? 0, place += 1) {
    const limit = pages[place] ?? 0;
    const { users, last } = await clerk.listRecentlyUpdated({ offset, limit });
    const behind = await onlyBehind(call, users.filter(isDue), moments);
    if (behind.length > 0) return behind.reverse();
    if (last === null || users.length < limit || users.some(({ version }) => version <= moments.after)) return [];
  }
  return [];
}

async function onlyBehind(call: CallFunction, users: readonly PageUser[], moments: Moments): Promise<PageUser[]> {
  if (users.length === 0) return [];
  const asked = users.map(({ user, version }) => ({ clerk_id: user.id, version, payload: mapUser(user) }));
  const behind = behindSchema.parse(await call("clerk_sync_users_behind", { p_users: asked }));
  const byId = new Map(behind.map((entry) => [entry.clerk_id, entry]));
  return users.filter((entry) => {
    const answer = byId.get(entry.user.id);
    if (answer === undefined) return false;
    // Who signed up before the last delivery, or before the installation, is a backfill's business.
    return answer.known ? answer.fields.length > 0 : entry.createdAt > moments.after;
  });
}

/** Reads them again, one by one: their events may have come meanwhile, or they may be gone. */
async function confirm(
  { call, clerk }: SilenceDependencies,
  behind: readonly PageUser[],
  moments: Moments,
): Promise<PageUser[]> {
  const fresh: PageUser[] = [];
  for (const { user, createdAt } of behind.slice(0, mostConfirmed)) {
    const answer = await clerk.readUser(user.id);
    if (!answer.deleted) fresh.push({ version: answer.version, createdAt, user: answer.user });
  }
  return await onlyBehind(call, fresh, moments);
}
