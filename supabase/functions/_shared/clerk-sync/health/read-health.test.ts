import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { schemaVersion } from "../database/schema-version.ts";
import { SyncError } from "../errors.ts";
import { createReadHealth } from "./read-health.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const answer = { status: "healthy", reasons: [], facts: { schema_version: schemaVersion } };

/** A database whose calls end when they are told to. */
function databaseWith(call: () => Promise<unknown>) {
  const calls = vi.fn(call);
  return { calls, readHealth: createReadHealth({ call: calls, now: Date.now }) };
}

test("however many ask at once, the database is asked once, and once more a second later", async () => {
  const { calls, readHealth } = databaseWith(async () => answer);
  const answers = await Promise.all(Array.from({ length: 1000 }, readHealth));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(["healthy"]));
  await readHealth();
  expect(calls).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1000);
  await readHealth();
  expect(calls).toHaveBeenCalledTimes(2);
});

test("a database that hangs is compromised for each caller within three seconds, and is not asked again meanwhile", async () => {
  const { calls, readHealth } = databaseWith(() => new Promise(() => undefined));
  const statuses: string[] = [];
  for (let second = 0; second < 6; second++) {
    void readHealth().then(({ status }) => statuses.push(status));
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(statuses).toEqual(["compromised", "compromised", "compromised", "compromised"]);
  expect(calls).toHaveBeenCalledTimes(1);
});

test("a read that never ends does not end all reading", async () => {
  const hanging = [true];
  const { readHealth } = databaseWith(() => (hanging.pop() ? new Promise(() => undefined) : Promise.resolve(answer)));
  void readHealth();
  await vi.advanceTimersByTimeAsync(10_001);
  expect(await readHealth()).toMatchObject({ status: "healthy" });
});

test("an error is compromised with its code, and logged", async () => {
  const lines = await captureLog();
  const { readHealth } = databaseWith(() => Promise.reject(new SyncError("database_unavailable", "not there")));
  expect(await readHealth()).toMatchObject({ status: "compromised", reasons: [{ code: "database_unavailable" }] });
  expect(lines.map(({ text }) => text).join()).toContain("health.unknown");
});
