import type { Assumed, ComputeSize, Ours, Theirs } from "./assumptions.ts";
import type { Measured } from "./measured.ts";

export type Given = { measured: Measured; assumed: Assumed; ours: Ours; theirs: Theirs; machineCores: number };

const secondsPerDay = 86_400;
const [mega, giga] = [1e6, 1e9];
const pageBytes = 8192;

/** What so many users need. */
export type Needs = {
  users: number;
  eventsPerMonth: number;
  averagePerSecond: number;
  busiestPerSecond: number;
  usersGb: number;
  historyGb: number;
  databaseGb: number;
  /** In the busiest hour, as part of what was measured: 1 is all of it. */
  ingestShare: number;
  drainShare: number;
  mirrorShare: number;
  /** Of a day, when every event finds its pages in hand, and when none does. */
  walGbLeast: number;
  walGbMost: number;
  /** In the busiest hour, when no event finds its pages in memory: each is read, and written later. */
  iopsMost: number;
  megabytesPerSecondMost: number;
  cores: number;
  /** Node processes that take events, and that work; connections of both. */
  servers: number;
  workers: number;
  connections: number;
  backfillSeconds: number;
  /** Of a compare walked by the calls of the schedule: the list of Clerk, and that of Supabase Auth after it. */
  functionsCompareSeconds: number;
  functionsAuthSeconds: number;
  callsPerMonth: number;
  callDollars: number;
  diskDollars: number;
};

export function reckon(users: number, given: Given): Needs {
  const load = reckonLoad(users, given);
  const disk = reckonDisk(users, load.eventsPerMonth, given);
  return {
    users,
    ...load,
    ...disk,
    ...reckonWrites(load, given),
    ...reckonProcesses(load.busiestPerSecond, given),
    ...reckonRuns(users, given),
    ...reckonCalls(load.eventsPerMonth, given),
    diskDollars: Math.max(0, disk.databaseGb - given.theirs.diskGbIncluded) * given.theirs.dollarsPerDiskGb,
  };
}

function reckonLoad(users: number, { measured, assumed }: Given) {
  const eventsPerMonth = users * assumed.eventsPerMonth.value;
  const eventsPerDay = eventsPerMonth / assumed.daysPerMonth.value;
  const busiestPerSecond = (eventsPerDay * assumed.busiestHourPercent.value) / 100 / 3600;
  return {
    eventsPerMonth,
    averagePerSecond: eventsPerDay / secondsPerDay,
    busiestPerSecond,
    ingestShare: busiestPerSecond / measured.ingestPerSecond,
    drainShare: busiestPerSecond / measured.drainPerSecond,
    mirrorShare: busiestPerSecond / measured.mirrorPerSecond,
  };
}

function reckonDisk(users: number, eventsPerMonth: number, { measured, assumed, ours }: Given) {
  const jobs = (eventsPerMonth * ours.retentionDays) / assumed.daysPerMonth.value;
  const usersGb = (users * measured.userBytes) / giga;
  const historyGb = (jobs * measured.jobBytes) / giga;
  return { usersGb, historyGb, databaseGb: usersGb + historyGb };
}

function reckonWrites(load: { averagePerSecond: number; busiestPerSecond: number }, { measured }: Given) {
  const { walBytes, coldWalBytes } = measured;
  const perDay = load.averagePerSecond * secondsPerDay;
  return {
    walGbLeast: (perDay * walBytes) / giga,
    walGbMost: (perDay * coldWalBytes) / giga,
    iopsMost: load.busiestPerSecond * 2 * (coldWalBytes / pageBytes),
    megabytesPerSecondMost: (load.busiestPerSecond * 3 * coldWalBytes) / mega,
  };
}

function reckonProcesses(busiestPerSecond: number, { measured, assumed, ours, machineCores }: Given) {
  const mostUse = assumed.mostUsePercent.value / 100;
  const servers = Math.ceil(busiestPerSecond / (measured.ingestPerSecond * mostUse));
  const workers = Math.ceil(busiestPerSecond / (measured.drainPerSecond * mostUse));
  return {
    cores: (machineCores * busiestPerSecond) / (measured.ingestPerSecond * mostUse),
    servers,
    workers,
    connections: (servers + workers) * ours.poolConnections,
  };
}

function reckonRuns(users: number, { measured, ours, theirs }: Given) {
  const perCall = ours.pagesPerCall / ours.callSeconds;
  return {
    backfillSeconds: users / Math.min(measured.backfillPerSecond, clerkUsersPerSecond(ours, theirs)),
    functionsCompareSeconds: users / (perCall * ours.usersPerPage),
    functionsAuthSeconds: users / (perCall * ours.authUsersPerPage),
  };
}

/** What Clerk's rate lets a backfill read. */
export function clerkUsersPerSecond(ours: Ours, theirs: Theirs): number {
  return (theirs.clerkRequestsPerSecond * ours.clerkBackgroundPercent * ours.usersPerPage) / 100;
}

function reckonCalls(eventsPerMonth: number, { assumed, ours, theirs }: Given) {
  const callsPerMonth = eventsPerMonth + ours.quietCallsPerDay * assumed.daysPerMonth.value;
  const packages = Math.ceil(Math.max(0, callsPerMonth - theirs.callsIncluded) / mega);
  return { callsPerMonth, callDollars: packages * theirs.dollarsPerMillionCalls };
}

/** The smallest size that gives what is needed, and what the one below it lacks; null: none does. */
export type Fit = { size: ComputeSize; lacking: string[] };

export function fitCompute(needs: Needs, { assumed, theirs }: Given): Fit | null {
  const mostUse = assumed.mostUsePercent.value / 100;
  const lackingIn = (size: ComputeSize) =>
    (
      [
        ["database", needs.databaseGb, size.databaseGb],
        ["disk operations", needs.iopsMost, size.iops * mostUse],
        ["disk throughput", needs.megabytesPerSecondMost, size.megabytesPerSecond * mostUse],
        ["cores", needs.cores, size.cores],
        ["connections", needs.connections, size.connections * mostUse],
      ] as const
    )
      .filter(([, need, has]) => need > has)
      .map(([name]) => name);
  const place = theirs.computeSizes.findIndex((size) => lackingIn(size).length === 0);
  const [size, below] = [theirs.computeSizes[place], theirs.computeSizes[place - 1]];
  if (size === undefined) return null;
  return { size, lacking: below === undefined ? [] : lackingIn(below) };
}
