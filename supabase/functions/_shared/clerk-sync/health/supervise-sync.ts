import { createConfiguredAlerts } from "../alerts/send-alerts.ts";
import { createClerkApi } from "../clerk/clerk-api.ts";
import { createClerkRateLimit } from "../clerk/limit-clerk-rate.ts";
import type { Config } from "../config/config.ts";
import type { CallFunction } from "../database/database.ts";
import { errorCode, errorMessage } from "../errors.ts";
import { logger } from "../logger.ts";
import { createSilenceCheck, type SilenceResult } from "./detect-silence.ts";

/** What looks after the sync itself, beside the work on the queue, which must not stop with it: it never throws. */
export type Supervision = {
  /** Says that this part is alive, and whether it has CLERK_SECRET_KEY; at most one write in ten seconds. */
  beat: () => Promise<void>;
  /** Looks for bursts and flapping users among the jobs. */
  auditJobs: () => Promise<void>;
  /** Asks Clerk whether deliveries still come; "skipped" without CLERK_SECRET_KEY as well. */
  checkSilence: (everySeconds: number) => Promise<SilenceResult>;
  /** Looks at the incidents and tells of those that are new or over. */
  sendAlerts: () => Promise<void>;
};

/** Nobody waits for the check, and no queue may wait for it. */
const timeoutMilliseconds = 5000;
const longestWaitMilliseconds = 2000;

/** Makes the supervision of one part of the system, by the name its heartbeat has. */
export function createSupervision(
  { clerkSecretKey, clerkApiUrl, alerts }: Pick<Config, "clerkSecretKey" | "clerkApiUrl" | "alerts">,
  call: CallFunction,
  name: "worker" | "processor",
): Supervision {
  const alive = { p_name: name, p_can_read: clerkSecretKey !== null };
  const send = createConfiguredAlerts(alerts, call);
  const parts = {
    beat: () => attempt("beat", async () => void (await call("clerk_sync_beat", alive)), undefined),
    auditJobs: () => attempt("audit", async () => void (await call("clerk_sync_audit_jobs", {})), undefined),
    sendAlerts: () => attempt("alerts", send, undefined),
  };
  if (clerkSecretKey === null) return { ...parts, checkSilence: async () => "skipped" };
  const takeRequest = createClerkRateLimit({
    call,
    secretKey: clerkSecretKey,
    work: "background",
    longestWaitMilliseconds,
    now: Date.now,
  });
  const clerk = createClerkApi({ secretKey: clerkSecretKey, apiUrl: clerkApiUrl, takeRequest, timeoutMilliseconds });
  const check = createSilenceCheck({ call, clerk });
  return { ...parts, checkSilence: (everySeconds) => attempt("silence", () => check(everySeconds), "unknown") };
}

/** Where a failure of the supervision ends: in the log. */
async function attempt<Output>(what: string, work: () => Promise<Output>, otherwise: Output): Promise<Output> {
  try {
    return await work();
  } catch (error) {
    const code = errorCode(error);
    logger.warn("supervision.failed", { what, code, reason: errorMessage(error) });
    return otherwise;
  }
}
