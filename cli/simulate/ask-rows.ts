import { z } from "zod";
import { callRpc, type Rest, type RpcAnswer } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";
import { type StoredUser, storedUserSchema } from "./compare-user.ts";

/** As many ids as one call may carry. */
export const idsPerCall = 500;

/** Asks the database, through its REST API, what it holds of some users. */
export function askRows(
  clerkIds: readonly string[],
  rest: Rest,
  io: Pick<CommandIo, "fetch">,
): Promise<RpcAnswer<StoredUser[]>> {
  const args = { p_clerk_ids: clerkIds };
  return callRpc(rest, { name: "clerk_sync_user_rows", args, schema: z.array(storedUserSchema) }, io);
}
