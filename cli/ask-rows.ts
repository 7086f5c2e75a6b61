import { z } from "zod";
import { type UserRecord, userRecordSchema } from "#core/admin/contract/users.ts";
import { callRpc, type Rest, type RpcAnswer } from "./call-rpc.ts";
import type { CommandIo } from "./command-io.ts";

/** Asks the database, through its REST API, what it holds of some users; it answers of each, known or not. */
export function askRows(
  clerkIds: readonly string[],
  rest: Rest,
  io: Pick<CommandIo, "fetch">,
): Promise<RpcAnswer<UserRecord[]>> {
  const args = { p_clerk_ids: clerkIds };
  return callRpc(rest, { name: "clerk_sync_users", args, schema: z.array(userRecordSchema) }, io);
}
