import { refusalSchema } from "#core/admin/contract/overview.ts";
import { isErrorCode, SyncError } from "#core/errors.ts";
import { keyRefused } from "../call-rpc.ts";

/** What was asked, and what came back; `answer` is undefined when it was no JSON. */
type Refused = { base: string; path: string; status: number; answer: unknown };

const deploy = "Run: npx supabase functions deploy sync-admin, or update the server.";
/** The one thing that may be missing where the route is not: a job. Of a user nobody knows there is an answer, too. */
const jobPath = /^\/jobs\/[0-9a-f-]{36}([/?]|$)/i;

/**
 * The error that an answer stands for. A refusal of sync-admin keeps its sentence, and its code if this version knows
 * it, else it is `endpoint_unreachable`; a 404 that is about no job
 * means that the function, or this route of it, is not there. The gateway before the function answers in forms of its own.
 */
export function readRefusal({ base, path, status, answer }: Refused): SyncError {
  if (status === 401) return new SyncError("caller_unauthorized", keyRefused);
  const retryable = status >= 500 || status === 429;
  const refusal = refusalSchema.safeParse(answer);
  if (status === 404 && !(refusal.success && jobPath.test(path))) return missing(base, path);
  if (refusal.success) {
    const { code, error } = refusal.data;
    if (isErrorCode(code)) return new SyncError(code, error, { retryable });
    return new SyncError("endpoint_unreachable", `${base} answered ${status} (${code}): ${error}`, { retryable });
  }
  const message = `${base} answered ${status}, and not as sync-admin does. Is the address right?`;
  return new SyncError("endpoint_unreachable", message, { retryable });
}

/** The error for an answer that is not in the form of this version's contract. */
export function answerUnknown(base: string, path: string, cause: unknown): SyncError {
  const what = `${base}${withoutQuery(path)} answered in a form this version does not know`;
  const remedy = `sync-admin there is of another version, older or newer. ${deploy}`;
  return new SyncError("database_answer_invalid", `${what}: ${remedy}`, { cause });
}

function missing(base: string, path: string): SyncError {
  const what = `${base} is not deployed, or is an older version without ${withoutQuery(path)}`;
  return new SyncError("endpoint_unreachable", `${what}. ${deploy}`);
}

/** A query holds what was searched for, which may be an address. */
function withoutQuery(path: string): string {
  return path.replace(/\?.*$/, "");
}
