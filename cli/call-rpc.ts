import { z } from "zod";
import { networkReason } from "#core/http/network-reason.ts";
import type { CommandIo } from "./command-io.ts";

/** A project's base URL and the key that may call its functions. */
export type Rest = { baseUrl: string; secretKey: string };

/** A function's value; or why there is none, the HTTP status if anybody answered, and whether asking again may help. */
export type RpcAnswer<Value> = { value: Value } | RpcFailure;
export type RpcFailure = {
  reason: string;
  status: number | null;
  retryable: boolean;
  /** Something answered that is not Supabase's API: its status says nothing of keys and functions. */
  isForeign?: true;
  /** It is a server of clerk-sync, which has no such API. */
  isOwnServer?: true;
};

/** What every command says of a key that is refused. */
export const keyRefused = "The secret key is refused. Take sb_secret_… or the service role key of this project.";

const timeoutMilliseconds = 15_000;
const shownCharacters = 200;

/** Calls a SQL function through the project's API (PostgREST, "Functions as RPC"). Never throws for what is answered. */
export async function callRpc<Value>(
  { baseUrl, secretKey }: Rest,
  call: { name: string; args: Readonly<Record<string, unknown>>; schema: z.ZodType<Value> },
  io: Pick<CommandIo, "fetch">,
): Promise<RpcAnswer<Value>> {
  const url = `${baseUrl}/rest/v1/rpc/${call.name}`;
  try {
    const response = await io.fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", apikey: secretKey },
      body: JSON.stringify(call.args),
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    const text = await response.text();
    const { status } = response;
    if (isForeign(response)) {
      const reason = `${baseUrl} is not a Supabase project's API (it answered ${status}).`;
      return { reason, status, retryable: false, isForeign: true };
    }
    if (response.ok) return parseValue(call, text, status);
    if (status === 404 && ownServerSchema.safeParse(parseJson(text)).success) {
      const reason = `${baseUrl} is a server of your own: it has no Supabase API.`;
      return { reason, status, retryable: false, isForeign: true, isOwnServer: true };
    }
    const reason = `${url} answered ${status} ${text.slice(0, shownCharacters)}`;
    return { reason, status, retryable: status >= 500 || status === 429 };
  } catch (error) {
    return { reason: `${url}: ${networkReason(error)}`, status: null, retryable: true };
  }
}

/** Whether a server of clerk-sync answers, which has no API of the database. */
export async function isOwnServer(rest: Rest, io: Pick<CommandIo, "fetch">): Promise<boolean> {
  const answer = await callRpc(rest, { name: "clerk_sync_schema_version", args: {}, schema: z.string() }, io);
  return "reason" in answer && answer.isOwnServer === true;
}

/** What server/app.ts answers where nothing is served; codes of PostgREST are in capitals. */
const ownServerSchema = z.object({ code: z.literal("not_found") });

/** PostgREST neither redirects nor answers with a page; the gateway before it does so when it is in trouble (5xx). */
function isForeign({ status, headers }: Response): boolean {
  if (status >= 500 || status === 429) return false;
  return (status >= 300 && status < 400) || (headers.get("content-type") ?? "").startsWith("text/html");
}

function parseValue<Value>(
  { name, schema }: { name: string; schema: z.ZodType<Value> },
  text: string,
  status: number,
): RpcAnswer<Value> {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return { value: parsed.data };
  const reason = `${name} answered what this version does not know: ${z.prettifyError(parsed.error)}`;
  return { reason, status, retryable: false };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // not JSON: the schema says so, in the words of the other problems
  }
}
