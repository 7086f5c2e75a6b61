import type { Database } from "#core/database/database.ts";
import { checkSchemaVersion } from "#core/database/schema-version.ts";
import { type ErrorCode, errorCode, SyncError } from "#core/errors.ts";
import { inTime } from "#core/http/async.ts";
import { json } from "#core/http/json-response.ts";
import { createFloodLog, type FloodLog } from "#core/http/log-flood.ts";

type HealthDependencies = {
  database: Pick<Database, "schemaVersion" | "writeFailure">;
  /** Why the last events were not stored; null when they were, or when none came. */
  refusal?: () => ErrorCode | null;
  /** Unix milliseconds. */
  now: () => number;
};

const timeoutMilliseconds = 2000;
/** An answer serves everybody who asks within this time: anybody may ask, and the database need not hear of it. */
const keptMilliseconds = 1000;

/**
 * Makes the answer of GET /health: 200 when the database answers within 2 s, its schema belongs to this code, it takes
 * writes, and the last events were stored; else 503 with the code of the reason. It is for probes and tells nothing else.
 */
export function createHealth({ database, refusal = () => null, now }: HealthDependencies): () => Promise<Response> {
  let last: { at: number; reason: Promise<string | null> } | null = null;
  const logFailure = createFloodLog("database.not_writable", now);
  return async () => {
    if (last === null || now() - last.at >= keptMilliseconds)
      last = { at: now(), reason: findReason(database, refusal, logFailure) };
    const code = await last.reason;
    return code === null ? json(200, { status: "ok" }) : json(503, { status: "unavailable", code });
  };
}

/** The code of what is wrong; null when nothing is. */
async function findReason(
  database: HealthDependencies["database"],
  refusal: () => ErrorCode | null,
  logFailure: FloodLog,
): Promise<string | null> {
  try {
    await inTime(check(database, logFailure), timeoutMilliseconds, refuseLate);
    return refusal();
  } catch (error) {
    return errorCode(error);
  }
}

async function check(database: HealthDependencies["database"], logFailure: FloodLog): Promise<void> {
  checkSchemaVersion(await database.schemaVersion());
  const failure = await database.writeFailure();
  if (failure === null) return;
  logFailure({ reason: failure });
  throw new SyncError("database_not_writable", `The database takes no writes: ${failure}`);
}

function refuseLate(): never {
  throw new SyncError("database_unavailable", "The database did not answer within 2 s.");
}
