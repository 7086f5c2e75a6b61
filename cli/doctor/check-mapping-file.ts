import { z } from "zod";
import { errorMessage, SyncError } from "#core/errors.ts";
import { configurationName, readConfiguration } from "../../mapping/read-configuration.ts";
import { resolveMapping } from "../../mapping/resolve.ts";
import { factsOfTable, readSavedMapping, savedMappingFile } from "../../mapping/saved-mapping.ts";
import { callRpc, type Rest } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";
import type { Finding } from "./finding.ts";

const check = "configuration";
const mappingSchema = z.object({ hash: z.string() }).nullable();

/**
 * Whether the folder's configuration, what `generate` or `init` wrote of it, and the database are of one mapping. A folder
 * that holds nothing of it says nothing. The functions are compared with the database elsewhere.
 */
export async function checkMappingFile(
  rest: Rest | null,
  io: Pick<CommandIo, "fetch" | "folder" | "environment">,
): Promise<Finding[]> {
  try {
    const saved = await readSavedMapping(io.folder);
    if (saved === null) return [];
    const { configuration } = await readConfiguration(io.folder, { environment: io.environment });
    const { hash } = resolveMapping(configuration, { users: factsOfTable(saved, configuration) });
    if (hash !== saved.hash) {
      const what = `${configurationName} has changed since the last migration was written`;
      return [{ check, state: "warning", what, remedy: "Run: npx clerk-sync generate" }];
    }
    if (rest === null) return [];
    const call = { name: "clerk_sync_mapping", args: {}, schema: mappingSchema };
    const answer = await callRpc(rest, call, io);
    if ("reason" in answer) return []; // the check of the database says why
    if (answer.value?.hash === hash) {
      return [{ check, state: "ok", what: `${configurationName} and the database agree` }];
    }
    const what = `the database was migrated with another mapping than ${savedMappingFile} has`;
    return [{ check, state: "warning", what, remedy: "Apply the migration. Run: npx supabase db push --remote" }];
  } catch (cause) {
    if (!(cause instanceof SyncError)) throw cause;
    return [{ check, state: "failed", what: errorMessage(cause), remedy: "Correct the file, then run it again." }];
  }
}
