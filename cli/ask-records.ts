import { z } from "zod";
import type { AskRecords } from "../local/simulate/organizations/check-records.ts";
import { callRpc, type Rest } from "./call-rpc.ts";
import type { CommandIo } from "./command-io.ts";

const recordsSchema = z.array(
  z.object({
    id: z.string(),
    row: z.record(z.string(), z.string().nullable()).nullable(),
    open_jobs: z.number(),
  }),
);
const mappingSchema = z.object({ organizations: z.unknown(), memberships: z.unknown() }).partial();

/** Makes the question for organizations and memberships, through the REST API of the database. */
export function createAskRecords(rest: Rest, io: Pick<CommandIo, "fetch">): AskRecords {
  return async (kind, ids) => {
    const mapping = await callRpc(rest, { name: "clerk_sync_mapping", args: {}, schema: mappingSchema }, io);
    if ("reason" in mapping) return mapping;
    if (mapping.value.organizations === undefined || mapping.value.memberships === undefined) {
      const reason = "the configuration there does not store organizations and memberships";
      return { reason, retryable: false };
    }
    return callRpc(rest, { name: "clerk_sync_records", args: { p_kind: kind, p_ids: ids }, schema: recordsSchema }, io);
  };
}
