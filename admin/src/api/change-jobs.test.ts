import { expect, test } from "vitest";
import { changeMatching, changeThese, idsFor } from "./change-jobs.ts";
import type { Client } from "./client.ts";

/** An API that changes so many jobs with each slice, and what it was asked. */
function setUp(slices: readonly number[]) {
  const asked: { path: string; body: unknown }[] = [];
  const left = [...slices];
  const client: Client = {
    get: () => Promise.reject(new Error("nothing is read")),
    post: async <Answer>(path: string, body: unknown) => {
      asked.push({ path, body });
      return { changed: left.shift() ?? 0 } as Answer;
    },
  };
  return { client, asked };
}

const options = { action: "retry", filter: { status: ["DEAD"] }, now: 0, onProgress: () => undefined } as const;
const filter = { status: ["DEAD" as const] };

test("an action goes on in slices of one operation until none is left", async () => {
  const { client, asked } = setUp([500, 500, 7]);
  const seen: number[] = [];
  const { signal } = new AbortController();
  const onProgress = (changed: number) => void seen.push(changed);
  expect(await changeMatching(client, { ...options, filter, signal, onProgress })).toBe(1007);
  expect(seen).toEqual([500, 1000, 1007]);
  expect(asked).toHaveLength(4);
  expect(new Set(asked.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  expect(asked[0]).toMatchObject({ path: "/jobs/retry", body: { filter, before: "1970-01-01T00:00:00.000Z" } });
});

test("an action that is stopped sends nothing more, and says how far it came", async () => {
  const { client, asked } = setUp([500, 500, 500]);
  const stop = new AbortController();
  const onProgress = () => stop.abort();
  expect(await changeMatching(client, { ...options, filter, signal: stop.signal, onProgress })).toBe(500);
  expect(asked).toHaveLength(1);
});

test("of what is selected only those jobs are retried or cancelled that can be", () => {
  const jobs = ["PENDING", "PROCESSING", "FAILED", "DEAD", "CANCELLED", "COMPLETED"].map((status) => ({
    id: status,
    status,
  }));
  expect(idsFor("retry", jobs)).toEqual(["FAILED", "DEAD", "CANCELLED"]);
  expect(idsFor("cancel", jobs)).toEqual(["PENDING", "PROCESSING", "FAILED", "DEAD"]);
});

test("more selected jobs than a call takes are changed in several calls, and none is left out", async () => {
  const { client, asked } = setUp([500, 400, 1]);
  const ids = Array.from({ length: 1001 }, (_, place) => `job ${place}`);
  expect(await changeThese(client, "retry", ids)).toBe(901);
  expect(asked.map(({ body }) => (body as { ids: string[] }).ids.length)).toEqual([500, 500, 1]);
  expect(asked.flatMap(({ body }) => (body as { ids: string[] }).ids)).toEqual(ids);
});
