import { createConfiguredAlerts } from "../alerts/send-alerts.ts";
import type { Config } from "../config/config.ts";
import type { CallFunction } from "../database/database.ts";
import type { Program } from "../database/program.ts";
import { errorCode, errorMessage } from "../errors.ts";
import { logger } from "../logger.ts";

/** What looks after the sync itself, beside the work on the queue, which must not stop with it: it never throws. */
export type Supervision = {
  /** Says that this part is alive, with which mapping, and whether it has CLERK_SECRET_KEY; at most one write in ten seconds. */
  beat: () => Promise<void>;
  /** Looks for bursts and flapping users among the jobs. */
  auditJobs: () => Promise<void>;
  /** Looks at the incidents and tells of those that are new or over. */
  sendAlerts: () => Promise<void>;
};

/** Makes the supervision of one part of the system, by the name its heartbeat has. `program`: what runs it. */
export function createSupervision(
  { clerkSecretKey, alerts }: Pick<Config, "clerkSecretKey" | "alerts">,
  call: CallFunction,
  name: "worker" | "processor",
  program?: Program,
): Supervision {
  const own = program === undefined ? {} : { p_program: program };
  const alive = { p_name: name, p_can_read: clerkSecretKey !== null, ...own };
  const send = createConfiguredAlerts(alerts, call);
  return {
    beat: () => attempt("beat", async () => void (await call("clerk_sync_beat", alive))),
    auditJobs: () => attempt("audit", async () => void (await call("clerk_sync_audit_jobs", {}))),
    sendAlerts: () => attempt("alerts", send),
  };
}

/** Where a failure of the supervision ends: in the log. */
async function attempt(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const code = errorCode(error);
    logger.warn("supervision.failed", { what, code, reason: errorMessage(error) });
  }
}
