import { userInfo } from "node:os";
import process from "node:process";
import type { z } from "zod";
import { SyncError } from "#core/errors.ts";
import { networkReason } from "#core/http/network-reason.ts";
import type { Rest } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";
import { answerUnknown, readRefusal } from "./read-refusal.ts";

/**
 * Calls of sync-admin. They throw SyncError: `endpoint_unreachable` (nobody there, or no sync-admin), `caller_unauthorized`,
 * `database_answer_invalid` (another version), or what sync-admin refuses with.
 */
export type CallAdmin = {
  get: <Answer>(path: string, schema: z.ZodType<Answer>, query?: Query) => Promise<Answer>;
  post: <Answer>(path: string, schema: z.ZodType<Answer>, body?: unknown) => Promise<Answer>;
};

/** Values that are missing are left out; lists are separated by commas. */
type Query = Readonly<Record<string, string | number | readonly string[] | null | undefined>>;

const timeoutMilliseconds = 20_000;
const longestActor = 80;

/** Makes calls that carry the project's secret key, and who calls, for the audit. */
export function createCallAdmin({ baseUrl, secretKey }: Rest, io: Pick<CommandIo, "fetch">): CallAdmin {
  const base = `${baseUrl}/functions/v1/sync-admin`;
  const headers = { apikey: secretKey, "x-clerk-sync-actor": nameActor(), "content-type": "application/json" };
  const call = async <Answer>(path: string, schema: z.ZodType<Answer>, init: RequestInit): Promise<Answer> => {
    const { status, answer } = await send(io, `${base}${path}`, { ...init, headers });
    if (status < 200 || status > 299) throw readRefusal({ base, path, status, answer });
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    throw answerUnknown(base, path, parsed.error);
  };
  return {
    get: (path, schema, query = {}) => call(`${path}${formatQuery(query)}`, schema, {}),
    post: (path, schema, body = {}) => call(path, schema, { method: "POST", body: JSON.stringify(body) }),
  };
}

/** "cli ada", in what a header can carry; a container may run as a number that has no name. */
export function nameActor(readName: () => string = () => userInfo().username): string {
  return `cli ${nameOrNumber(readName)}`.replace(/[^\x20-\x7e]/g, "?").slice(0, longestActor);
}

function nameOrNumber(readName: () => string): string {
  try {
    return readName();
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

function formatQuery(query: Query): string {
  const entries = Object.entries(query).map(([name, value]) => [name, String(value ?? "")] as const);
  const parameters = new URLSearchParams(entries.filter(([, value]) => value !== "").map((entry) => [...entry]));
  return parameters.size === 0 ? "" : `?${parameters}`;
}

async function send(io: Pick<CommandIo, "fetch">, url: string, init: RequestInit) {
  try {
    const signal = AbortSignal.timeout(timeoutMilliseconds);
    const response = await io.fetch(url, { ...init, redirect: "manual", signal });
    return { status: response.status, answer: parseJson(await response.text()) };
  } catch (error) {
    const message = `Nothing answers at ${url.replace(/\?.*$/, "")}: ${networkReason(error)}`;
    throw new SyncError("endpoint_unreachable", message, { retryable: true, cause: error });
  }
}

/** Undefined for what is no JSON: a page of a gateway. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
