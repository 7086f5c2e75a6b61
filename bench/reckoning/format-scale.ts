import type { Result } from "../results.ts";
import { type Column, formatTable } from "../table.ts";
import { type Assumption, assumed, ours, sources, theirs, userCounts } from "./assumptions.ts";
import { formatCount, formatDollars, formatGb, formatPercent, three } from "./format-amounts.ts";
import { formatNeeds, formatRetention } from "./format-needs.ts";
import { findLimits, type Limit } from "./limits.ts";
import { type Taken, takeCurve, takeMeasured, valuesOf } from "./measured.ts";
import { fitCompute, type Given, reckon } from "./reckon.ts";

const shorterDays = [7, 1] as const;

const head = `# Scale

What 1, 10 and 100 million users need on Supabase, where the first limit is, and what comes next. Written by a script
(\`node bench/write-docs.ts\`) from the stored results in \`bench/results/\`, so that no number is older than they are; the assumptions and the
limits of others are in [assumptions.ts](../bench/reckoning/assumptions.ts), the sums in [reckon.ts](../bench/reckoning/reckon.ts).
[How it was measured](../bench/README.md), [all results](performance.md).
`;

/** docs/scale.md. Throws RangeError, with the command that measures it, when the results lack what it is reckoned from. */
export function formatScale(results: readonly Result[]): string {
  const taken = takeMeasured(results);
  const machineCores = results.find(({ scenario }) => scenario === "ingest")?.machine.cores ?? 1;
  const given: Given = { measured: valuesOf(taken), assumed, ours, theirs, machineCores };
  const limits = findLimits(given);
  return [
    head,
    formatCaution(machineCores),
    `## In short\n\n${formatShort(given, limits)}\n`,
    `## What it rests on\n\n### Assumed\n\n${formatAssumed()}\n`,
    `### Measured\n\n${formatTaken(Object.values(taken), results)}\n`,
    `### How this project is set\n\n${describeSettings()}\n`,
    `## What it comes to\n\n${formatNeeds(userCounts, given)}\n`,
    `## Limits, in the order in which they are reached\n\n${formatLimits(limits)}\n`,
    formatNext(results, given),
    `## What Supabase and Clerk limit\n\n${formatTheirs()}\n`,
  ].join("\n");
}

function formatCaution(cores: number): string {
  return `**How far to trust it.** All rates were measured with client, server and PostgreSQL on one machine of ${cores} cores with a local disk,
through no network. A hosted disk answers a commit more slowly, PostgREST and the functions come on top, and the app's own queries share the
database; on the other side the sender of the load took a part of the cores. Sizes are those of tables that vacuum keeps up with: where it does
not, dead rows come on top. Tables of these sizes were not filled: how the queue bears a long history is measured ([history](performance.md#history)), beyond
that the sums go on in a straight line. What the app itself stores and asks is in none of them. Measure a project of your own before you rely on a number here.
`;
}

/** What each number of users costs, what has to be changed by then, and what is the next to be. */
function formatShort(given: Given, limits: readonly Limit[]): string {
  const toBeChanged = limits.filter(({ kind }) => kind === "system");
  const cells = userCounts.map((users) => {
    const passed = toBeChanged.filter((limit) => limit.users <= users);
    const next = toBeChanged.find((limit) => limit.users > users);
    return [
      formatCount(users),
      ...formatBill(users, given),
      passed[0] === undefined ? "none yet" : nameOf(passed[0]),
      passed.slice(1).map(nameOf).join("; ") || "none",
      next === undefined ? "none" : nameOf(next),
    ];
  });
  const columns = columnsOf(
    ["users", "database"],
    ["compute size", "bill", "first limit", "passed by then as well", "the next"],
  );
  const plans = limits.filter(({ kind }) => kind === "plan").map(nameOf);
  return `${formatTable(columns, cells)}\n\nNothing has to be changed, but paid for, beyond: ${plans.join("; ")}. The bill is compute, disk and calls of functions above
what a paid plan includes, for the sync alone, without the plan's own price and without disk operations beyond those included. [What comes next](#limits-in-the-order-in-which-they-are-reached) at each limit is below.`;
}

function formatBill(users: number, given: Given): string[] {
  const needs = reckon(users, given);
  const fit = fitCompute(needs, given);
  if (fit === null) return [formatGb(needs.databaseGb), "none", ""];
  const bill = fit.size.dollars + needs.diskDollars + needs.callDollars;
  return [formatGb(needs.databaseGb), fit.size.name, `${formatDollars(bill)} a month`];
}

function nameOf({ name, users }: Limit): string {
  return `${name} (at ${formatCount(users)})`;
}

function formatAssumed(): string {
  const assumptions: Assumption[] = Object.values(assumed);
  const cells = assumptions.map(({ what, value, unit, why }) => [what, `${value} ${unit}`.trim(), why]);
  return formatTable(
    [
      { title: "", align: "left" },
      { title: "value", align: "right" },
      { title: "why", align: "left" },
    ],
    cells,
  );
}

function formatTaken(taken: readonly Taken[], results: readonly Result[]): string {
  const cells = taken.map(({ what, value, unit, scenario, row, side }) => {
    const result = results.find((one) => one.scenario === scenario);
    const when = `${result?.date.slice(0, 10)}, ${result?.commit}`;
    return [what, `${three(value)} ${unit}`, `[${scenario}](performance.md#${scenario})`, `${row}: ${side}`, when];
  });
  return formatTable(
    [
      { title: "", align: "left" },
      { title: "median", align: "right" },
      ...columnsOf([], ["scenario", "row: side", "measured"]),
    ],
    cells,
  );
}

function describeSettings(): string {
  return [
    `- Finished jobs are kept ${ours.retentionDays} days (\`RETENTION_DAYS\`); a purge deletes up to ${ours.purgedBySchedule.toLocaleString("en-US")}, every ${ours.purgeSecondsOfSchedule} s, by the schedule, and up to ${ours.purgedByWorker.toLocaleString("en-US")}, every ${ours.purgeSecondsOfWorker} s, by each Node worker.`,
    `- The schedule calls the processor every ${ours.callSeconds} s while there is work; a call walks up to ${ours.pagesPerCall} pages of a run, ${ours.usersPerPage} users of Clerk or ${ours.authUsersPerPage} of Supabase Auth each. A quiet project is called ${ours.quietCallsPerDay} times a day. A call that had work to do purges as well, which is not counted on here.`,
    `- Backfill and reconcile take ${ours.clerkBackgroundPercent} % of Clerk's rate. A Node process has ${ours.poolConnections} connections. A process or isolate takes ${ours.webhookMaxPerSecond.toLocaleString("en-US")} events a second (\`WEBHOOK_MAX_PER_SECOND\`).`,
  ].join("\n");
}

function formatLimits(limits: readonly Limit[]): string {
  const cells = limits.map(({ name, users, next }) => [
    formatCount(users),
    name,
    ...userCounts.map((count) => formatPercent(count / users)),
    next,
  ]);
  const shares = userCounts.map((count) => `of it at ${formatCount(count)}`);
  const text = formatTable(
    [
      { title: "users", align: "right" },
      { title: "limit", align: "left" },
      ...columnsOf(shares, []),
      { title: "what comes next", align: "left" },
    ],
    cells,
  );
  return `Rates and disk operations count as reached at ${assumed.mostUsePercent.value} % of what was measured or is sold.\n\n${text}`;
}

function formatNext(results: readonly Result[], given: Given): string {
  const curve = takeCurve(results).map(({ what, ratio }) => [what, ratio.toFixed(2)]);
  return `## What comes next

**Fewer days of history** is the first thing to do about disk: nothing but the history on the admin page is lost by it, dead letters stay.
Database and compute size:

${formatRetention(userCounts, [given.ours.retentionDays, ...shorterDays], given)}

A purge does not make the files smaller, the space takes what comes next ([size](performance.md#size)): set it before the disk has grown.
\`RETENTION_DAYS\` is of functions and servers; the schedule has its own number, \`select clerk_sync_schedule(10, 7)\`. Partitions of the queue, of which
a whole day could be dropped, are not built.

**More processes.** Any number of workers and servers share one database. What several did of what one did, on these cores:

${formatTable(
  [
    { title: "", align: "left" },
    { title: "of one process", align: "right" },
  ],
  curve,
)}

**A wave from Clerk itself** cannot exceed what its API takes: a script that edits every user makes ${theirs.clerkRequestsPerSecond} requests a second at most,
${formatPercent(theirs.clerkRequestsPerSecond / given.measured.ingestPerSecond)} of the events that one server took. What comes too fast is answered 429 or 503, and Clerk delivers it again.
`;
}

function formatTheirs(): string {
  const cells = theirs.computeSizes.map((size) => [
    size.name,
    `${formatDollars(size.dollars)}`,
    `${size.cores}`,
    `${size.memoryGb} GB`,
    `${size.databaseGb.toLocaleString("en-US")} GB`,
    `${size.connections}`,
    size.iops.toLocaleString("en-US"),
    size.megabytesPerSecond.toLocaleString("en-US"),
  ]);
  const numbers = [
    "a month",
    "cores",
    "memory",
    "database, recommended",
    "connections",
    "disk operations/s",
    "disk MB/s",
  ];
  const facts = [
    `A paid plan includes ${theirs.diskGbIncluded} GB of disk, then $${theirs.dollarsPerDiskGb} a GB and month (gp3, ${theirs.diskIopsIncluded.toLocaleString("en-US")} operations a second included, up to ${theirs.largestDiskGb / 1000} TB); a free one ${theirs.freeDatabaseGb * 1000} MB of database.`,
    `It includes ${formatCount(theirs.callsIncluded)} calls of functions a month, then $${theirs.dollarsPerMillionCalls} a million. A function has ${theirs.functionMegabytes} MB of memory.`,
    `Clerk answers ${theirs.clerkRequestsPerSecond} requests a second to a production instance.`,
    ...sources,
  ];
  return `As of ${theirs.asOf}; prices and limits change, look before you buy. The Micro size is paid for by the plan's credit.

${formatTable([{ title: "compute size", align: "left" }, ...columnsOf(numbers, [])], cells)}

${facts.map((fact) => `- ${fact}`).join("\n")}`;
}

function columnsOf(numbers: readonly string[], words: readonly string[]): Column[] {
  return [
    ...numbers.map((title) => ({ title, align: "right" as const })),
    ...words.map((title) => ({ title, align: "left" as const })),
  ];
}
