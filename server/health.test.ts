import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { databaseError } from "#core/database/database.ts";
import { schemaVersion } from "#core/database/schema-version.ts";
import { createHealth } from "./health.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const writeFailure = async () => null;
const objectFindings = async () => [];

async function ask(version: () => Promise<string | null>) {
  const response = await createHealth({
    database: { schemaVersion: version, writeFailure, objectFindings },
    now: Date.now,
  })();
  return { status: response.status, body: await response.json() };
}

it("a database of this version is well", async () => {
  expect(await ask(async () => schemaVersion)).toEqual({ status: 200, body: { status: "ok" } });
});

it.each([
  ["newer", async () => "99991231000000", "schema_newer"],
  ["older", async () => "20000101000000", "schema_outdated"],
  ["without our functions", async () => null, "schema_outdated"],
  [
    "out of reach",
    () => Promise.reject(databaseError("f", undefined, new Error("at 10.1.2.3"))),
    "database_unavailable",
  ],
])("a database that is %s is 503 with the code and nothing else", async (_, version, code) => {
  expect(await ask(version)).toEqual({ status: 503, body: { status: "unavailable", code } });
});

it.each([
  [
    "missing",
    "compromised",
    503,
    { status: "unavailable", code: "objects_missing", missing: ["table public.job_queue"] },
  ],
  ["missing", "degraded", 200, { status: "degraded", code: "objects_changed", missing: ["table public.job_queue"] }],
  ["changed", "compromised", 503, { status: "unavailable", code: "objects_missing", missing: [] }],
] as const)("an object that is %s and leaves the sync %s is %i", async (state, status, http, body) => {
  const findings = async () => [{ object: "table public.job_queue", state, status }];
  const database = { schemaVersion: async () => schemaVersion, writeFailure, objectFindings: findings };
  const response = await createHealth({ database, now: Date.now })();
  expect({ http: response.status, body: await response.json() }).toEqual({ http, body });
});

it("a database that has not answered after 2 s is unavailable", async () => {
  const answer = ask(() => new Promise(() => undefined));
  await vi.advanceTimersByTimeAsync(2000);
  expect(await answer).toMatchObject({ status: 503, body: { code: "database_unavailable" } });
});

it("many who ask at once are one question to the database, and later there is a new one", async () => {
  const version = vi.fn(async () => schemaVersion);
  const health = createHealth({ database: { schemaVersion: version, writeFailure, objectFindings }, now: Date.now });
  await Promise.all(Array.from({ length: 50 }, health));
  expect(version).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1000);
  await health();
  expect(version).toHaveBeenCalledTimes(2);
});
