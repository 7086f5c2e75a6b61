import type { Database } from "#core/database/database.ts";
import type { ObjectFinding } from "#core/database/object-findings.ts";
import { checkSchemaVersion } from "#core/database/schema-version.ts";
import { type ErrorCode, errorCode, SyncError } from "#core/errors.ts";
import { inTime } from "#core/http/async.ts";
import { json } from "#core/http/json-response.ts";
import { createFloodLog, type FloodLog } from "#core/http/log-flood.ts";

type HealthDependencies = {
  database: Pick<Database, "schemaVersion" | "writeFailure" | "objectFindings">;
  /** Why the last events were not stored; null when they were, or when none came. */
  refusal?: () => ErrorCode | null;
  /** Unix milliseconds. */
  now: () => number;
};

const timeoutMilliseconds = 2000;
/** An answer serves everybody who asks within this time: anybody may ask, and the database need not hear of it. */
const keptMilliseconds = 1000;

type Answer = { status: "ok" | "degraded" | "unavailable"; code?: string; missing?: readonly string[] };

/**
 * Makes the answer of GET /health: 200 when the database answers within 2 s, its schema belongs to this code, the objects
 * of the sync are there, it takes writes, and the last events were stored; else 503 with the code of the reason. It is for
 * probes, and tells besides only which objects are missing. An object without which events still arrive degrades it.
 */
export function createHealth({ database, refusal = () => null, now }: HealthDependencies): () => Promise<Response> {
  let last: { at: number; answer: Promise<Answer> } | null = null;
  const logFailure = createFloodLog("database.not_writable", now);
  return async () => {
    if (last === null || now() - last.at >= keptMilliseconds)
      last = { at: now(), answer: judge(database, refusal, logFailure) };
    const answer = await last.answer;
    return json(answer.status === "unavailable" ? 503 : 200, answer);
  };
}

async function judge(
  database: HealthDependencies["database"],
  refusal: () => ErrorCode | null,
  logFailure: FloodLog,
): Promise<Answer> {
  try {
    const findings = await inTime(check(database, logFailure), timeoutMilliseconds, refuseLate);
    const code = refusal();
    return code === null ? judgeObjects(findings) : { status: "unavailable", code };
  } catch (error) {
    return { status: "unavailable", code: errorCode(error) };
  }
}

/** What is open that should be closed is not said: anybody may ask. */
function judgeObjects(findings: readonly ObjectFinding[]): Answer {
  const missing = findings.filter(({ state }) => state === "missing").map(({ object }) => object);
  if (isCompromised(findings)) return { status: "unavailable", code: "objects_missing", missing };
  return findings.length === 0 ? { status: "ok" } : { status: "degraded", code: "objects_changed", missing };
}

const isCompromised = (findings: readonly ObjectFinding[]) => findings.some(({ status }) => status === "compromised");

async function check(database: HealthDependencies["database"], logFailure: FloodLog): Promise<ObjectFinding[]> {
  checkSchemaVersion(await database.schemaVersion());
  const findings = await database.objectFindings();
  if (isCompromised(findings)) return findings; // what the test write needs may be among them
  const failure = await database.writeFailure();
  if (failure === null) return findings;
  logFailure({ reason: failure });
  throw new SyncError("database_not_writable", `The database takes no writes: ${failure}`);
}

function refuseLate(): never {
  throw new SyncError("database_unavailable", "The database did not answer within 2 s.");
}
