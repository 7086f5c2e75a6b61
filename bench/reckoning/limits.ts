import { type Given, type Needs, reckon } from "./reckon.ts";

/** What ends somewhere. `users`: at how many it is reached; all that is reckoned here grows evenly with the users. */
export type Limit = { name: string; kind: Kind; users: number; next: string };

/** plan: from here on it is paid for; system: something has to be changed. */
type Kind = "plan" | "system";
type Bound = {
  name: string;
  kind?: Kind;
  need: (needs: Needs) => number;
  most: (given: Given) => number;
  next: string;
};

const manyUsers = 1e9;
const secondsPerDay = 86_400;
const smallest = ({ theirs }: Given) => theirs.computeSizes[0] ?? { databaseGb: 0, iops: 0 };
const largest = ({ theirs }: Given) => theirs.computeSizes.at(-1) ?? { databaseGb: 0 };
const planned = ({ assumed }: Given) => assumed.mostUsePercent.value / 100;

const moreCompute =
  "a larger compute size, [as the table above says](#what-it-comes-to); or fewer days of history, `RETENTION_DAYS` and `clerk_sync_schedule(10, days)`";
const worker =
  "a Node worker beside the functions, `clerk-sync serve --only worker` ([deployment](deployment.md)), whose steps are not counted; how quickly Supabase Auth lists its users was not measured";

const bounds: readonly Bound[] = [
  {
    name: "database of the Free plan",
    kind: "plan",
    need: ({ databaseGb }) => databaseGb,
    most: ({ theirs }) => theirs.freeDatabaseGb,
    next: "the Pro plan; `RETENTION_DAYS` keeps a small project below it for longer",
  },
  {
    name: "calls of functions that a paid plan includes",
    kind: "plan",
    need: ({ callsPerMonth }) => callsPerMonth,
    most: ({ theirs }) => theirs.callsIncluded,
    next: "each further million is paid for; a Node server that takes the events (`clerk-sync serve`) costs no calls",
  },
  {
    name: "disk that a paid plan includes",
    kind: "plan",
    need: ({ databaseGb }) => databaseGb,
    most: ({ theirs }) => theirs.diskGbIncluded,
    next: "the disk grows by itself and is paid for by the GB; fewer days of history are the cheaper way",
  },
  {
    name: "recommended database of the smallest compute size",
    need: ({ databaseGb }) => databaseGb,
    most: (given) => smallest(given).databaseGb,
    next: moreCompute,
  },
  {
    name: "disk operations of the smallest compute size",
    need: ({ iopsMost }) => iopsMost,
    most: (given) => smallest(given).iops * planned(given),
    next: "a larger compute size, for its disk and for the memory that holds more of the indexes",
  },
  {
    name: "disk operations that a gp3 disk includes",
    need: ({ iopsMost }) => iopsMost,
    most: (given) => given.theirs.diskIopsIncluded * planned(given),
    next: "more operations a second are bought for the disk (Large and above); a size with memory for the indexes saves them",
  },
  {
    name: "purge of the schedule",
    need: ({ averagePerSecond }) => averagePerSecond,
    most: ({ ours }) => ours.purgedBySchedule / ours.purgeSecondsOfSchedule,
    next: "the history would grow on: `select cron.schedule('clerk-sync-purge-more', '* * * * *', 'select public.clerk_sync_purge_jobs(30, 50000)')`, or Node workers beside, each of which purges every minute",
  },
  {
    name: "purge of one Node worker",
    need: ({ averagePerSecond }) => averagePerSecond,
    most: ({ ours }) => ours.purgedByWorker / ours.purgeSecondsOfWorker,
    next: "several workers, or the line of `cron.schedule` above",
  },
  {
    name: "a day for a compare by the calls of the schedule, with Supabase Auth",
    need: ({ functionsCompareSeconds, functionsAuthSeconds }) => functionsCompareSeconds + functionsAuthSeconds,
    most: () => secondsPerDay,
    next: worker,
  },
  {
    name: "a day for a compare by the calls of the schedule, without the mirror",
    need: ({ functionsCompareSeconds }) => functionsCompareSeconds,
    most: () => secondsPerDay,
    next: worker,
  },
  {
    name: "a day for a backfill, or a compare by one Node worker",
    need: ({ backfillSeconds }) => backfillSeconds,
    most: () => secondsPerDay,
    next: "only one process walks a run: the hourly sweep of changes carries on, the whole compare takes more than a day",
  },
  {
    name: "events that one server takes",
    need: ({ ingestShare }) => ingestShare,
    most: planned,
    next: "more cores for servers and database; what a second server brought on the cores measured is [below](#what-comes-next)",
  },
  {
    name: "jobs that one worker works through",
    need: ({ drainShare }) => drainShare,
    most: planned,
    next: "several workers, which share the queue without knowing of each other: the curve is [below](#what-comes-next)",
  },
  {
    name: "users that one worker mirrors",
    need: ({ mirrorShare }) => mirrorShare,
    most: planned,
    next: "several workers; Supabase Auth itself may end sooner, and was not measured",
  },
  {
    name: "`WEBHOOK_MAX_PER_SECOND` of one process or isolate",
    need: ({ busiestPerSecond }) => busiestPerSecond,
    most: ({ ours }) => ours.webhookMaxPerSecond,
    next: "a larger number; what is refused comes again a minute later",
  },
  {
    name: "recommended database of the largest compute size",
    need: ({ databaseGb }) => databaseGb,
    most: (given) => largest(given).databaseGb,
    next: "a talk with Supabase; fewer days of history before that",
  },
];

/** All limits in the order in which they are reached. */
export function findLimits(given: Given): Limit[] {
  const needs = reckon(manyUsers, given);
  return bounds
    .map(({ name, kind = "system", need, most, next }) => {
      return { name, kind, users: (manyUsers * most(given)) / need(needs), next };
    })
    .sort((one, other) => one.users - other.users);
}
