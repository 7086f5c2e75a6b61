import type { FreshUser } from "../clerk/clerk-api.ts";
import { mapUser } from "../clerk/map-user.ts";
import type { ReadUser } from "../clerk/read-user.ts";
import type { UserFields } from "../config/mapping.ts";
import type { JobOutcome, Read, ReadOrder } from "../database/database.ts";
import { errorMessage, SyncError } from "../errors.ts";
import type { HolderLock } from "../mirror/adopt-holder.ts";
import type { MirrorResult } from "../mirror/mirror-user.ts";
import { circuitOf } from "./watch-circuit.ts";

/** How an attempt ends whose mirror call succeeded. */
export function outcomeOfMirror(jobId: string, result: MirrorResult | HolderLock): JobOutcome {
  if (result.outcome === "locked") {
    const { holderId, lockedAt, waitSeconds } = result;
    return {
      job_id: jobId,
      outcome: "locked",
      auth_holder_id: holderId,
      auth_locked_at: new Date(lockedAt).toISOString(),
      retry_after: waitSeconds,
      error: "auth_adopting: the Auth user with this address is locked; it is adopted when its last token has run out",
    };
  }
  const { authUserId, ...mirror } = result;
  return { job_id: jobId, outcome: "completed", auth_user_id: authUserId, mirror };
}

/** How an attempt ends whose mirror call failed: retried, or dead when trying again cannot help. */
export function outcomeOfError(jobId: string, error: unknown): JobOutcome {
  const known = error instanceof SyncError ? error : undefined;
  const circuit = circuitOf(error);
  return {
    job_id: jobId,
    outcome: known === undefined || known.retryable ? "retry" : "dead",
    error: `${known?.code ?? "internal"}: ${errorMessage(error)}`,
    ...(known?.retryAfterSeconds === undefined ? {} : { retry_after: known.retryAfterSeconds }),
    ...(circuit === undefined ? {} : { circuit }),
  };
}

/** Reads one user from Clerk's API: what is to be applied, or how the attempt ends that could not read it. */
export async function outcomeOfRead(
  order: ReadOrder,
  readUser: ReadUser,
  fields: UserFields,
): Promise<Read | JobOutcome> {
  try {
    return toRead(order.job_id, await readUser(order.clerk_id), fields);
  } catch (error) {
    return outcomeOfError(order.job_id, error);
  }
}

function toRead(jobId: string, fresh: FreshUser, fields: UserFields): Read {
  if (fresh.deleted) return { job_id: jobId, deleted: true };
  return { job_id: jobId, deleted: false, version: fresh.version, payload: { ...mapUser(fresh.user, fields) } };
}
