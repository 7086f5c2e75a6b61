import { z } from "zod";
import type { CallFunction } from "#core/database/database.ts";
import { SyncError } from "#core/errors.ts";
import { callRpc, keyRefused, type Rest, type RpcFailure } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";

const refusals: Readonly<Record<number, string>> = {
  401: keyRefused,
  403: "The key may not call the functions. Take the secret key, not the publishable or anon key.",
  404: "The functions are missing in this project. Apply the migrations. Run: npx supabase db push --remote",
};

/**
 * Makes the way the core calls SQL functions go over the project's API, hosted and local alike.
 * It throws SyncError: `endpoint_unreachable`, `caller_unauthorized`, `database_unavailable`, `database_rejected`.
 */
export function createProjectCall(rest: Rest, io: Pick<CommandIo, "fetch">): CallFunction {
  return async (name, args) => {
    const answer = await callRpc(rest, { name, args, schema: z.unknown() }, io);
    if ("value" in answer) return answer.value;
    throw toError(answer);
  };
}

function toError({ reason, status, retryable, isForeign, isOwnServer }: RpcFailure): SyncError {
  if (isOwnServer) return new SyncError("usage_invalid", `${reason} Set DATABASE_URL, or pass --database-url.`);
  if (status === null) return new SyncError("endpoint_unreachable", `Nothing answers at ${reason}`, { retryable });
  if (isForeign) return new SyncError("database_rejected", reason);
  if (status === 401 || status === 403) return new SyncError("caller_unauthorized", refusals[status] ?? reason);
  if (retryable) return new SyncError("database_unavailable", reason, { retryable });
  return new SyncError("database_rejected", refusals[status] ?? reason);
}
