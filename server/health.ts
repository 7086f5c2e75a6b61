import type { Database } from "#core/database.ts";
import { errorCode, SyncError } from "#core/errors.ts";
import { inTime } from "#core/in-time.ts";
import { json } from "#core/json-response.ts";
import { checkSchemaVersion } from "#core/schema-version.ts";

export type HealthDependencies = {
  database: Pick<Database, "schemaVersion">;
  /** Unix milliseconds. */
  now: () => number;
};

const timeoutMilliseconds = 2000;
/** An answer serves everybody who asks within this time: anybody may ask, and the database need not hear of it. */
const keptMilliseconds = 1000;

/**
 * Makes the answer of GET /health: 200 when the database answers within 2 s and its schema belongs to this code,
 * else 503 with the code of the reason. It is for probes and tells nothing else.
 */
export function createHealth({ database, now }: HealthDependencies): () => Promise<Response> {
  let last: { at: number; reason: Promise<string | null> } | null = null;
  return async () => {
    if (last === null || now() - last.at >= keptMilliseconds) last = { at: now(), reason: findReason(database) };
    const code = await last.reason;
    return code === null ? json(200, { status: "ok" }) : json(503, { status: "unavailable", code });
  };
}

/** The code of what is wrong; null when nothing is. */
async function findReason(database: HealthDependencies["database"]): Promise<string | null> {
  try {
    checkSchemaVersion(await inTime(database.schemaVersion(), timeoutMilliseconds, refuseLate));
    return null;
  } catch (error) {
    return errorCode(error);
  }
}

function refuseLate(): never {
  throw new SyncError("database_unavailable", "The database did not answer within 2 s.");
}
