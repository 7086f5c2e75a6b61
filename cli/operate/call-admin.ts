import { userInfo } from "node:os";
import type { z } from "zod";
import { refusalSchema } from "#core/admin-overview-contract.ts";
import { type ErrorCode, SyncError } from "#core/errors.ts";
import { networkReason } from "#core/network-reason.ts";
import { keyRefused, type Rest } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";

/** Calls of sync-admin. They throw SyncError: `endpoint_unreachable`, `caller_unauthorized`, or what sync-admin refuses with. */
export type CallAdmin = {
  get: <Answer>(path: string, schema: z.ZodType<Answer>, query?: Query) => Promise<Answer>;
  post: <Answer>(path: string, schema: z.ZodType<Answer>, body?: unknown) => Promise<Answer>;
};

/** Values that are missing are left out; lists are separated by commas. */
export type Query = Readonly<Record<string, string | number | readonly string[] | null | undefined>>;

const timeoutMilliseconds = 20_000;
const longestActor = 80;

/** Makes calls that carry the project's secret key, and who calls, for the audit. */
export function createCallAdmin({ baseUrl, secretKey }: Rest, io: Pick<CommandIo, "fetch">): CallAdmin {
  const base = `${baseUrl}/functions/v1/sync-admin`;
  const headers = { apikey: secretKey, "x-clerk-sync-actor": actor(), "content-type": "application/json" };
  const call = async <Answer>(path: string, schema: z.ZodType<Answer>, init: RequestInit): Promise<Answer> => {
    const response = await send(io, `${base}${path}`, { ...init, headers });
    const answer: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw readRefusal(response.status, answer, base);
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    const message = `${base}${path} answered in a form this version does not know. Deploy sync-admin of this version.`;
    throw new SyncError("database_answer_invalid", message, { cause: parsed.error });
  };
  return {
    get: (path, schema, query = {}) => call(`${path}${formatQuery(query)}`, schema, {}),
    post: (path, schema, body = {}) => call(path, schema, { method: "POST", body: JSON.stringify(body) }),
  };
}

/** "cli ada", in what a header can carry. */
function actor(): string {
  return `cli ${userInfo().username}`.replace(/[^\x20-\x7e]/g, "?").slice(0, longestActor);
}

function formatQuery(query: Query): string {
  const entries = Object.entries(query).map(([name, value]) => [name, String(value ?? "")] as const);
  const parameters = new URLSearchParams(entries.filter(([, value]) => value !== "").map((entry) => [...entry]));
  return parameters.size === 0 ? "" : `?${parameters}`;
}

async function send(io: Pick<CommandIo, "fetch">, url: string, init: RequestInit): Promise<Response> {
  try {
    return await io.fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(timeoutMilliseconds) });
  } catch (error) {
    const message = `Nothing answers at ${url}: ${networkReason(error)}`;
    throw new SyncError("endpoint_unreachable", message, { retryable: true, cause: error });
  }
}

function readRefusal(status: number, answer: unknown, base: string): SyncError {
  if (status === 401) return new SyncError("caller_unauthorized", keyRefused);
  const refusal = refusalSchema.safeParse(answer);
  if (refusal.success) return new SyncError(refusal.data.code as ErrorCode, refusal.data.error);
  const message = `${base} answered ${status}, and not as sync-admin does. Is the address right, and is the function deployed? supabase functions deploy sync-admin`;
  return new SyncError("endpoint_unreachable", message);
}
