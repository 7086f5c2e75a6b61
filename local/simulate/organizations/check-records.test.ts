import { expect, test } from "vitest";
import { type AskRecords, checkRecords, type StoredRecord } from "./check-records.ts";
import type { ExpectedRecord } from "./expect-organization.ts";

const organization: ExpectedRecord = { kind: "organization", id: "org_1", row: { name: "Acme", slug: null } };
const member: ExpectedRecord = {
  kind: "membership",
  id: "orgmem_1",
  row: { organization_id: "org_1", user_id: "user_1", role: "org:admin" },
};
const ended: ExpectedRecord = { kind: "membership", id: "orgmem_2", row: null };
const all = [organization, member, ended];

/** A check over a database that answers these rows, one round after the other. */
function check(...rounds: (StoredRecord[] | { reason: string; retryable: boolean })[]) {
  let round = 0;
  let now = 0;
  const askRecords: AskRecords = async (kind, ids) => {
    const answer = rounds[Math.min(kind === "organization" ? round++ : round - 1, rounds.length - 1)] ?? [];
    return "reason" in answer ? answer : { value: answer.filter(({ id }) => ids.includes(id)) };
  };
  const sleep = async (milliseconds: number) => {
    now += milliseconds;
  };
  const clock = { now: () => now, sleep };
  return checkRecords(all, { askRecords, timeoutMs: 5000 }, { clock, onProgress: () => undefined });
}

const right = (open_jobs = 0): StoredRecord[] => [
  { id: "org_1", row: { name: "Acme", slug: null }, open_jobs },
  { id: "orgmem_1", row: { organization_id: "org_1", user_id: "user_1", role: "org:admin" }, open_jobs: 0 },
  { id: "orgmem_2", row: null, open_jobs: 0 },
];

test("rows that are as they must be are in step", async () => {
  expect(await check(right())).toEqual({ state: "checked", inStep: 3, outOfStep: 0, differences: [] });
});

test("a row that differs, is missing or is still there is named", async () => {
  const wrong = [
    { id: "orgmem_1", row: { organization_id: "org_1", user_id: "user_1", role: "org:member" }, open_jobs: 0 },
    { id: "orgmem_2", row: { organization_id: "org_1", user_id: "user_2", role: "org:admin" }, open_jobs: 0 },
  ];
  expect(await check(wrong)).toEqual({
    state: "checked",
    inStep: 0,
    outOfStep: 3,
    differences: [
      { clerkId: "org_1", field: "row", expected: "present", actual: "none" },
      { clerkId: "orgmem_1", field: "role", expected: "org:admin", actual: "org:member" },
      { clerkId: "orgmem_2", field: "row", expected: "none", actual: "present" },
    ],
  });
});

test("while work is in the queue it waits, until time is up", async () => {
  expect(await check([])).toMatchObject({ outOfStep: 2 });
  expect(await check(right(1), right(1), right())).toMatchObject({ inStep: 3 });
  const stuck = right(1).map((record) => ({ ...record, row: null }));
  expect(await check(stuck)).toMatchObject({ state: "checked", outOfStep: 2 });
});

test("a database that does not answer is asked again, and one that cannot answer is not", async () => {
  expect(await check({ reason: "503", retryable: true }, right())).toMatchObject({ inStep: 3 });
  expect(await check({ reason: "not stored", retryable: false })).toEqual({ state: "unchecked", reason: "not stored" });
});
