import { z } from "zod";
import type { CommandIo } from "./command-io.ts";
import { networkReason } from "./network-reason.ts";

/** A project's base URL and the key that may call its functions. */
export type Rest = { baseUrl: string; secretKey: string };

/** A function's value; or why there is none, the HTTP status if anybody answered, and whether asking again may help. */
export type RpcAnswer<Value> = { value: Value } | RpcFailure;
export type RpcFailure = { reason: string; status: number | null; retryable: boolean };

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
    if (response.ok) return parseValue(call, text, status);
    const reason = `${url} answered ${status} ${text.slice(0, shownCharacters)}`;
    return { reason, status, retryable: status >= 500 || status === 429 };
  } catch (error) {
    return { reason: `${url}: ${networkReason(error)}`, status: null, retryable: true };
  }
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
