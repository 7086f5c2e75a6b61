import { environmentSchema } from "#core/config/environment-schema.ts";

/** The sizes that docs/scale.md reckons for. */
export const userCounts = [1_000_000, 10_000_000, 100_000_000] as const;

export type Assumption = { what: string; value: number; unit: string; why: string };

/** What nobody measured: change a number here and run `node bench/write-docs.ts`. */
export const assumed = {
  eventsPerMonth: {
    what: "events of a user in a month",
    value: 4,
    unit: "",
    why: "about one change a week; Clerk sends one for each change of a profile, of its metadata or addresses",
  },
  busiestHourPercent: {
    what: "events of a day that come in its busiest hour",
    value: 10,
    unit: "%",
    why: "an even day has 4.2 % in each; users of one time zone gather in the evening",
  },
  mostUsePercent: {
    what: "share of a measured rate, or of a disk's, that is planned with",
    value: 50,
    unit: "%",
    why: "the other half is for the app's own queries, for sign-up waves and for a slower disk",
  },
  daysPerMonth: { what: "days of a month", value: 30, unit: "", why: "to have one number" },
} satisfies Record<string, Assumption>;

const { RETENTION_DAYS, WEBHOOK_MAX_PER_SECOND } = environmentSchema.shape;

/** How this project is set when nobody sets it; a test holds these against the files that say so. */
export const ours = {
  retentionDays: RETENTION_DAYS.parse(undefined),
  webhookMaxPerSecond: WEBHOOK_MAX_PER_SECOND.parse(undefined),
  /** Connections of a Node process. */
  poolConnections: 10,
  /** Jobs that one purge deletes, and the seconds between two by pg_cron and by a Node worker. */
  purgedBySchedule: 50_000,
  purgedByWorker: 20_000,
  purgeSecondsOfSchedule: 300,
  purgeSecondsOfWorker: 60,
  /** Seconds between two calls of the processor while there is work, and the pages of a compare that one call walks. */
  callSeconds: 10,
  pagesPerCall: 25,
  usersPerPage: 500,
  authUsersPerPage: 128,
  /** Calls of a quiet project in a day: 24 sweeps and a compare. */
  quietCallsPerDay: 25,
  /** Share of Clerk's rate that backfill and reconcile take. */
  clerkBackgroundPercent: 70,
} as const;

/** `databaseGb`: what Supabase recommends at most; iops and megabytesPerSecond: what the disk does all day. */
export type ComputeSize = {
  name: string;
  dollars: number;
  cores: number;
  memoryGb: number;
  databaseGb: number;
  connections: number;
  iops: number;
  megabytesPerSecond: number;
};

type Numbers = [
  dollars: number,
  cores: number,
  memory: number,
  database: number,
  connections: number,
  iops: number,
  disk: number,
];

const computeSizes: readonly ComputeSize[] = [
  toComputeSize("Micro", [10, 2, 1, 10, 60, 500, 11]),
  toComputeSize("Small", [15, 2, 2, 50, 90, 1000, 22]),
  toComputeSize("Medium", [60, 2, 4, 100, 120, 2000, 43]),
  toComputeSize("Large", [110, 2, 8, 200, 160, 3600, 79]),
  toComputeSize("XL", [210, 4, 16, 500, 240, 6000, 149]),
  toComputeSize("2XL", [410, 8, 32, 1000, 380, 12_000, 297]),
  toComputeSize("4XL", [960, 16, 64, 2000, 480, 20_000, 594]),
  toComputeSize("8XL", [1870, 32, 128, 4000, 490, 40_000, 1188]),
  toComputeSize("12XL", [2800, 48, 192, 6000, 500, 50_000, 1781]),
  toComputeSize("16XL", [3730, 64, 256, 10_000, 500, 80_000, 2375]),
];

function toComputeSize(name: string, numbers: Numbers): ComputeSize {
  const [dollars, cores, memoryGb, databaseGb, connections, iops, megabytesPerSecond] = numbers;
  return { name, dollars, cores, memoryGb, databaseGb, connections, iops, megabytesPerSecond };
}

/** What others limit, as their documentation said on the day named with each source. */
export const theirs = {
  asOf: "2026-11-25",
  computeSizes,
  freeDatabaseGb: 0.5,
  diskGbIncluded: 8,
  dollarsPerDiskGb: 0.125,
  /** Disks of gp3 end here. */
  largestDiskGb: 16_000,
  /** What a gp3 disk does without paying for more, whatever the compute size would allow. */
  diskIopsIncluded: 3000,
  callsIncluded: 2_000_000,
  dollarsPerMillionCalls: 2,
  functionMegabytes: 256,
  /** Requests to Clerk's Backend API, production instance. */
  clerkRequestsPerSecond: 100,
} as const;

export const sources = [
  "Compute sizes, prices, connections, disks: [Compute and Disk](https://supabase.com/docs/guides/platform/compute-and-disk), read in supabase/supabase at 02a13c9; disk rates also in [Interpreting Supabase Grafana IO charts](https://supabase.com/docs/guides/troubleshooting/interpreting-supabase-grafana-io-charts-MUynDR) of 2026-02-03. Since October 2026 Supabase calls its disk rates minimums.",
  "Calls of functions: [Edge Function Invocations](https://supabase.com/docs/guides/platform/manage-your-usage/edge-function-invocations), read in supabase/supabase at 124cddf. Memory of a function: [Limits](https://supabase.com/docs/guides/functions/limits). Size of a free database: [Database size](https://supabase.com/docs/guides/platform/database-size).",
  "Clerk's rate: [System limits](https://clerk.com/docs/guides/how-clerk-works/system-limits), 1,000 requests in 10 s for a production instance, 100 for a development one; users of a page of its list: 500.",
] as const;

export type Assumed = Readonly<Record<keyof typeof assumed, Assumption>>;
export type Ours = Readonly<Record<keyof typeof ours, number>>;
export type Theirs = typeof theirs;
