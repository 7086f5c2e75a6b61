import type { Incident, Notice } from "#core/alerts/format-notice.ts";
import type { AlertTarget } from "#core/alerts/post-notice.ts";
import { type PostOptions, postNotice } from "#core/alerts/post-notice.ts";
import type { SendAlerts } from "#core/alerts/send-alerts.ts";
import { errorCode, errorMessage, SyncError } from "#core/errors.ts";
import { logger } from "#core/logger.ts";

type WatchDependencies = Omit<PostOptions, "timeoutMilliseconds"> & {
  sendAlerts: SendAlerts;
  targets: readonly AlertTarget[];
};

/** So long the database has to be out of reach before anybody is told. */
const toleratedMilliseconds = 60_000;
const timeoutMilliseconds = 5000;

/** A target that is still to be told, and when it may be tried again (Unix milliseconds). */
type Owed = { notice: Notice; target: AlertTarget; notBefore: number };
type Outage = { since: number; incident: Incident | null; told: Set<AlertTarget> };

/**
 * Sends alerts, and tells by itself of what the database cannot keep: that it is out of reach for over a minute, once,
 * and once that it is back. Each process knows of its own only. Never throws; meant to be called every half minute.
 */
export function watchDatabase(dependencies: WatchDependencies): () => Promise<void> {
  const { sendAlerts, targets, now } = dependencies;
  let outage: Outage | null = null;
  let owed: Owed[] = [];
  const owe = (kind: Notice["kind"], incident: Incident, to: Iterable<AlertTarget>) => {
    const notice = { id: crypto.randomUUID(), kind, incident };
    owed = [...to].map((target) => ({ notice, target, notBefore: 0 }));
  };
  const found = (isReached: boolean) => {
    if (isReached) {
      // Who was never told that it was down need not be told that it is back.
      if (outage?.incident) owe("closed", closed(outage.incident, now()), outage.told);
      outage = null;
      return;
    }
    outage ??= { since: now(), incident: null, told: new Set() };
    if (outage.incident !== null || now() - outage.since < toleratedMilliseconds) return;
    outage.incident = describe(outage.since, now());
    owe("opened", outage.incident, targets);
  };
  return async () => {
    found(await isReached(sendAlerts));
    const told = outage?.told;
    const left = await Promise.all(owed.map((one) => sendOne(one, dependencies, () => told?.add(one.target))));
    owed = left.filter((one) => one !== null);
  };
}

/** Whatever else is wrong with the sending is no outage; it ends in the log. */
async function isReached(sendAlerts: SendAlerts): Promise<boolean> {
  try {
    await sendAlerts();
    return true;
  } catch (error) {
    const code = errorCode(error);
    logger.warn("supervision.failed", { what: "alerts", code, reason: errorMessage(error) });
    return code !== "database_unavailable";
  }
}

function describe(since: number, now: number): Incident {
  const iso = (time: number) => new Date(time).toISOString();
  return {
    id: crypto.randomUUID(),
    code: "database_unavailable",
    subject: "",
    status: "compromised",
    what: "A server of the sync cannot reach its database. Events are answered 503 meanwhile; Clerk delivers them again.",
    remedy:
      "Is PostgreSQL up, has it connections left, does it take writes (a full disk makes it read-only), and is DATABASE_URL right? GET /health of the server says why.",
    since: iso(since),
    opened_at: iso(now),
    absent_since: null,
    closed_at: null,
  };
}

function closed(incident: Incident, now: number): Incident {
  return { ...incident, closed_at: new Date(now).toISOString() };
}

/** Null when the target has the notice or will never take it; else what is still to be sent. */
async function sendOne(one: Owed, options: WatchDependencies, onTold: () => void): Promise<Owed | null> {
  const { now } = options;
  if (now() < one.notBefore) return one;
  const { target, notice } = one;
  const named = { target: target.name, kind: notice.kind, incident: notice.incident.code };
  try {
    await postNotice(target, notice, { ...options, timeoutMilliseconds });
    onTold();
    logger.info("alert.sent", named);
    return null;
  } catch (error) {
    logger.error("alert.failed", { ...named, code: errorCode(error), reason: errorMessage(error) });
    if (!(error instanceof SyncError) || !error.retryable) return null;
    return { ...one, notBefore: now() + (error.retryAfterSeconds ?? 0) * 1000 };
  }
}
