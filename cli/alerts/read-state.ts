import { SyncError } from "#core/errors.ts";
import { callRpc, type Rest, type RpcFailure } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";
import { type AlertState, alertStateSchema } from "../doctor/check-alerts.ts";

/** What alerts do, and what became of the notices of one incident. Throws as rpcFailed. */
export async function readAlertState(rest: Rest, io: CommandIo, incident?: string): Promise<AlertState> {
  const args = incident === undefined ? {} : { p_incident: incident };
  const answer = await callRpc(rest, { name: "clerk_sync_alert_state", args, schema: alertStateSchema }, io);
  if ("reason" in answer) throw rpcFailed(answer);
  return answer.value;
}

/** SyncError `endpoint_unreachable` or `database_rejected`. */
export function rpcFailed({ status, reason }: RpcFailure): SyncError {
  const code = status === null ? "endpoint_unreachable" : "database_rejected";
  return new SyncError(code, `The alerts cannot be read: ${reason}`);
}
