import { z } from "zod";
import type { CallFunction } from "../database/database.ts";
import { describeObjects, objectFindingSchema, repairRemedy } from "../database/object-findings.ts";
import { SyncError } from "../errors.ts";

/**
 * Calls like `call`. A call that the database refuses because something is not there throws SyncError `objects_missing`,
 * which names the objects of ours that are missing, if there are any.
 */
export function explainMissingObjects(call: CallFunction): CallFunction {
  return async (name, args, limit) => {
    try {
      return await call(name, args, limit);
    } catch (error) {
      if (!isOfMissingObject(error)) throw error;
      const findings = z.array(objectFindingSchema).safeParse(await call("clerk_sync_object_findings", {}));
      if (findings.data === undefined || findings.data.length === 0) throw error;
      throw new SyncError("objects_missing", `${describeObjects(findings.data)} ${repairRemedy}`, { cause: error });
    }
  };
}

/** Undefined table, function, column, type or schema; PGRST202 is PostgREST's word for a function. */
function isOfMissingObject(error: unknown): boolean {
  const code = error instanceof SyncError ? (error.cause as { code?: unknown } | undefined)?.code : undefined;
  return typeof code === "string" && /^(42P01|42883|42703|42704|3F000|PGRST202)$/.test(code);
}
