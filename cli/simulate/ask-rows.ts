import { z } from "zod";
import { errorMessage } from "#core/errors.ts";
import type { CommandIo } from "../command-io.ts";
import { type StoredUser, storedUserSchema } from "./compare-user.ts";

export type RowsEndpoint = { url: string; secretKey: string };

/** An answer, or why there is none and whether asking again may help. */
export type RowsAnswer = { users: StoredUser[] } | { reason: string; retryable: boolean };

/** As many ids as one call may carry. */
export const idsPerCall = 500;
const timeoutMs = 15_000;

/** Asks the database, through its REST API, what it holds of some users. */
export async function askRows(
  clerkIds: readonly string[],
  endpoint: RowsEndpoint,
  io: Pick<CommandIo, "fetch">,
): Promise<RowsAnswer> {
  try {
    const response = await io.fetch(endpoint.url, {
      method: "POST",
      headers: { "content-type": "application/json", apikey: endpoint.secretKey },
      body: JSON.stringify({ p_clerk_ids: clerkIds }),
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    if (response.ok) return parseUsers(text);
    const reason = `${endpoint.url} answered ${response.status} ${text.slice(0, 200)}`;
    return { reason, retryable: response.status >= 500 || response.status === 429 };
  } catch (error) {
    return { reason: `${endpoint.url}: ${errorMessage(error)}`, retryable: true };
  }
}

function parseUsers(text: string): RowsAnswer {
  const parsed = z.array(storedUserSchema).safeParse(JSON.parse(text));
  if (parsed.success) return { users: parsed.data };
  return {
    reason: `clerk_sync_user_rows answered what this version does not know: ${z.prettifyError(parsed.error)}`,
    retryable: false,
  };
}
