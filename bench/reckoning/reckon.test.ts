import { describe, expect, test } from "vitest";
import { type Assumed, type ComputeSize, ours as realOurs, theirs as realTheirs } from "./assumptions.ts";
import { findLimits } from "./limits.ts";
import type { Measured } from "./measured.ts";
import { clerkUsersPerSecond, fitCompute, type Given, reckon } from "./reckon.ts";

const measured: Measured = {
  userBytes: 1000,
  jobBytes: 2000,
  walBytes: 4000,
  coldWalBytes: 16_384,
  ingestPerSecond: 100,
  drainPerSecond: 1000,
  mirrorPerSecond: 50,
  backfillPerSecond: 500,
  workerMegabytes: 100,
};
const toAssumption = (value: number) => ({ what: "", value, unit: "", why: "" });
const assumed: Assumed = {
  eventsPerMonth: toAssumption(3),
  busiestHourPercent: toAssumption(36),
  mostUsePercent: toAssumption(50),
  daysPerMonth: toAssumption(30),
};
const sizeOf = (name: string, parts: Partial<ComputeSize>): ComputeSize => ({
  name,
  dollars: 10,
  cores: 2,
  memoryGb: 1,
  databaseGb: 10,
  connections: 60,
  iops: 500,
  megabytesPerSecond: 11,
  ...parts,
});
const ours = { ...realOurs, retentionDays: 15, poolConnections: 10 };
const theirs = {
  ...realTheirs,
  computeSizes: [
    sizeOf("small", {}),
    sizeOf("wide", { databaseGb: 50 }),
    sizeOf("quick", { databaseGb: 50, iops: 9000 }),
  ],
};
const given: Given = { measured, assumed, ours, theirs, machineCores: 2 };
/** A million users with 3 events a month: 100,000 events a day, 36,000 of them in the busiest hour. */
const needs = reckon(1_000_000, given);

describe("a million users with three events a month", () => {
  test("have 3 million events, 10 a second in the busiest hour", () => {
    expect(needs.eventsPerMonth).toBe(3_000_000);
    expect(needs.busiestPerSecond).toBe(10);
    expect(needs.averagePerSecond).toBeCloseTo(100_000 / 86_400, 10);
  });

  test("take a GB for themselves and three for half a month of jobs", () => {
    expect(needs).toMatchObject({ usersGb: 1, historyGb: 3, databaseGb: 4, diskDollars: 0 });
  });

  test("ask a tenth of the events, a hundredth of the jobs and a fifth of the mirror that were measured", () => {
    expect(needs.ingestShare).toBeCloseTo(0.1, 10);
    expect(needs.drainShare).toBeCloseTo(0.01, 10);
    expect(needs.mirrorShare).toBeCloseTo(0.2, 10);
  });

  test("write 0.4 GB of WAL a day, and up to 1.6 when every page is a first one", () => {
    expect(needs.walGbLeast).toBeCloseTo(0.4, 10);
    expect(needs.walGbMost).toBeCloseTo(1.6384, 10);
  });

  test("read and write two pages for each of ten events in a second", () => {
    expect(needs.iopsMost).toBe(40);
    expect(needs.megabytesPerSecondMost).toBeCloseTo(0.49152, 10);
  });

  test("need a server and a worker at half of their rates, with ten connections each, and 0.4 cores", () => {
    expect(needs).toMatchObject({ servers: 1, workers: 1, connections: 20 });
    expect(needs.cores).toBeCloseTo(0.4, 10);
  });

  test("come in within 2,000 s, and are compared by functions in 800 s, in Auth in 3,125 s", () => {
    expect(needs).toMatchObject({ backfillSeconds: 2000, functionsCompareSeconds: 800, functionsAuthSeconds: 3125 });
  });

  test("call functions for each event and 25 times a day, and pay for the second million above what is included", () => {
    expect(needs).toMatchObject({ callsPerMonth: 3_000_750, callDollars: 4 });
  });
});

test("a backfill is no quicker than 70 % of Clerk's rate allows", () => {
  expect(clerkUsersPerSecond(ours, theirs)).toBe(35_000);
  const quick = { ...given, measured: { ...measured, backfillPerSecond: 1_000_000 } };
  expect(reckon(70_000, quick).backfillSeconds).toBe(2);
});

test("disk costs what is above the included GB", () => {
  expect(reckon(4_000_000, given)).toMatchObject({ databaseGb: 16, diskDollars: 1 });
});

describe("the compute size", () => {
  test("is the smallest when that has everything", () => {
    expect(fitCompute(needs, given)).toMatchObject({ size: { name: "small" }, lacking: [] });
  });

  test("is the next one for what the smallest lacks", () => {
    expect(fitCompute({ ...needs, databaseGb: 11 }, given)).toMatchObject({
      size: { name: "wide" },
      lacking: ["database"],
    });
  });

  test("plans with half of the disk's rate", () => {
    const fit = fitCompute({ ...needs, iopsMost: 251 }, given);
    expect(fit).toMatchObject({ size: { name: "quick" }, lacking: ["disk operations"] });
  });

  test("is none when no size is enough", () => {
    expect(fitCompute({ ...needs, databaseGb: 51 }, given)).toBeNull();
  });
});

describe("limits", () => {
  const limits = findLimits(given);
  const usersOf = (name: string) => limits.find((limit) => limit.name.startsWith(name))?.users;

  test("stand in the order in which they are reached", () => {
    const users = limits.map((limit) => limit.users);
    expect(users).toEqual([...users].sort((one, other) => one - other));
  });

  test.each([
    ["database of the Free plan", 125_000], // 4 GB a million
    ["disk that a paid plan includes", 2_000_000],
    ["recommended database of the smallest", 2_500_000],
    ["events that one server takes", 5_000_000], // 10 % a million, half is planned with
    ["users that one worker mirrors", 2_500_000],
    ["a day for a backfill", 43_200_000], // 500 a second
  ])("%s: at %d users", (name, users) => {
    expect(usersOf(name)).toBeCloseTo(users, 3);
  });

  test("the purge of the schedule keeps up with one job for each event, up to 50,000 in five minutes", () => {
    expect(usersOf("purge of the schedule")).toBeCloseTo((50_000 / 300 / (100_000 / 86_400)) * 1_000_000, 3);
  });
});
