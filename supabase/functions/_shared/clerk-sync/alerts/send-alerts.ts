import { z } from "zod";
import type { AlertSettings } from "../config/config.ts";
import { type CallFunction, createCallAs } from "../database/database.ts";
import { errorCode, errorMessage, SyncError } from "../errors.ts";
import { logger } from "../logger.ts";
import { type AlertTarget, listTargets, type PostOptions, postNotice } from "./post-notice.ts";

type AlertDependencies = Omit<PostOptions, "timeoutMilliseconds"> & {
  call: CallFunction;
  targets: readonly AlertTarget[];
  /** How long one target may take to answer. */
  timeoutMilliseconds?: number;
};

/** Looks at the incidents, and tells the targets what is due. Throws SyncError of the database. */
export type SendAlerts = () => Promise<void>;

const incidentSchema = z.object({
  id: z.string(),
  code: z.string(),
  subject: z.string(),
  status: z.enum(["degraded", "compromised"]),
  what: z.string(),
  remedy: z.string(),
  since: z.string(),
  opened_at: z.string(),
  absent_since: z.string().nullable(),
  closed_at: z.string().nullable(),
});
const noticeSchema = z.object({
  id: z.string(),
  token: z.string(),
  kind: z.enum(["opened", "closed", "test"]),
  target: z.string(),
  last_error: z.string().nullable(),
  incident: incidentSchema,
});
const checkedSchema = z.object({ checked: z.boolean(), notices: z.array(noticeSchema) });

type DueNotice = z.infer<typeof noticeSchema>;
type Outcome = { outcome: "sent" | "retry" | "refused"; error?: string; retry_after?: number };
type Result = Outcome & { id: string; token: string };

/** Ten notices to a target that hangs must end within the lease of two minutes, and an Edge Function's life. */
const usualTimeoutMilliseconds = 5000;

/**
 * Makes the sending. Which notice is due, to whom and when again is the database's: this may run anywhere, any number of
 * times at once. The targets are told side by side and each in the order of its notices; after one that failed, the
 * others of that target are put off as well.
 */
export function createSendAlerts(dependencies: AlertDependencies): SendAlerts {
  const callAs = createCallAs(dependencies.call);
  const { targets, timeoutMilliseconds = usualTimeoutMilliseconds } = dependencies;
  return async () => {
    const p_targets = targets.map(({ name }) => name);
    const { notices } = await callAs(checkedSchema, "clerk_sync_check_incidents", { p_targets });
    if (notices.length === 0) return;
    const told = targets.map((target) => {
      const due = notices.filter((notice) => notice.target === target.name);
      return sendTo(target, due, { ...dependencies, timeoutMilliseconds });
    });
    const p_results = (await Promise.all(told)).flat();
    await callAs(z.number(), "clerk_sync_settle_notices", { p_results });
  };
}

/** The sending to what is configured, with the clock and fetch of the runtime. */
export function createConfiguredAlerts(settings: AlertSettings, call: CallFunction): SendAlerts {
  const { adminUrl } = settings;
  return createSendAlerts({ call, targets: listTargets(settings), adminUrl, fetch: globalThis.fetch, now: Date.now });
}

async function sendTo(target: AlertTarget, due: readonly DueNotice[], options: PostOptions): Promise<Result[]> {
  const results: Result[] = [];
  let failed: Outcome | null = null;
  for (const notice of due) {
    const outcome: Outcome = failed ?? (await attempt(target, notice, options));
    if (outcome.outcome !== "sent") failed = outcome;
    results.push({ id: notice.id, token: notice.token, ...outcome });
  }
  return results;
}

async function attempt(target: AlertTarget, notice: DueNotice, options: PostOptions): Promise<Outcome> {
  const { kind, incident } = notice;
  try {
    await postNotice(target, notice, options);
    logger.info("alert.sent", { target: target.name, kind, incident: incident.code });
    return { outcome: "sent" };
  } catch (error) {
    const code = errorCode(error);
    // Said once, not at every attempt: the log is not where alerts are to be read.
    if (notice.last_error !== code) {
      logger.error("alert.failed", {
        target: target.name,
        kind,
        incident: incident.code,
        code,
        reason: errorMessage(error),
      });
    }
    return outcomeOf(error, code);
  }
}

function outcomeOf(error: unknown, code: string): Outcome {
  const { retryable = false, retryAfterSeconds } = error instanceof SyncError ? error : {};
  const wait = retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds };
  return { outcome: retryable ? "retry" : "refused", error: code, ...wait };
}
