import { formatTable } from "../table.ts";
import { formatCount, formatDollars, formatDuration, formatGb, formatPercent, three } from "./format-amounts.ts";
import { fitCompute, type Given, type Needs, reckon } from "./reckon.ts";

type Line = { what: string; show: (needs: Needs, given: Given) => string; how: string };

const lines: readonly Line[] = [
  {
    what: "users and state",
    show: ({ usersGb }) => formatGb(usersGb),
    how: "users × bytes of row and state, with indexes, also those of the admin page",
  },
  {
    what: "history of finished jobs",
    show: ({ historyGb }) => formatGb(historyGb),
    how: "events a month × days kept / days of a month × bytes of a finished job",
  },
  { what: "**database of the sync**", show: ({ databaseGb }) => `**${formatGb(databaseGb)}**`, how: "both" },
  {
    what: "events a month",
    show: ({ eventsPerMonth }) => formatCount(eventsPerMonth),
    how: "users × events of a user in a month",
  },
  {
    what: "events a second, average",
    show: ({ averagePerSecond }) => three(averagePerSecond),
    how: "events a month / days of a month / 86,400 s",
  },
  {
    what: "events a second, busiest hour",
    show: ({ busiestPerSecond }) => three(busiestPerSecond),
    how: "events of a day × share of the busiest hour / 3,600 s",
  },
  {
    what: "of the events that one server took",
    show: ({ ingestShare }) => formatPercent(ingestShare),
    how: "busiest hour / events taken a second",
  },
  {
    what: "of the jobs that one worker did",
    show: ({ drainShare }) => formatPercent(drainShare),
    how: "busiest hour / jobs worked through a second",
  },
  {
    what: "of the users that one worker mirrored",
    show: ({ mirrorShare }) => formatPercent(mirrorShare),
    how: "busiest hour / users mirrored a second",
  },
  {
    what: "WAL a day",
    show: ({ walGbLeast, walGbMost }) => `${formatGb(walGbLeast)} to ${formatGb(walGbMost)}`,
    how: "events of a day × WAL of an event, with its pages in hand, and first on them since a checkpoint; replicas and point-in-time recovery are fed with it",
  },
  {
    what: "disk operations a second, at most",
    show: ({ iopsMost }) => three(iopsMost),
    how: "busiest hour × pages of an event (its WAL after a checkpoint / 8,192) × 2, read and written; none when the indexes are in memory",
  },
  {
    what: "disk MB/s, at most",
    show: ({ megabytesPerSecondMost }) => three(megabytesPerSecondMost),
    how: "busiest hour × WAL of an event after a checkpoint × 3: the pages read, the WAL, the pages written",
  },
  {
    what: "first backfill, at least",
    show: ({ backfillSeconds }) => formatDuration(backfillSeconds),
    how: "users / the lower of the measured rate and Clerk's (requests a second × share × users of a page)",
  },
  {
    what: "full compare by a Node worker",
    show: ({ backfillSeconds }) => `up to ${formatDuration(backfillSeconds)}`,
    how: "not measured by itself: it reads the same pages as a backfill and queues only what differs",
  },
  {
    what: "the same by the calls of the schedule, at least",
    show: ({ functionsCompareSeconds }) => formatDuration(functionsCompareSeconds),
    how: "users / (pages of a call × users of a page / seconds between calls)",
  },
  {
    what: "and Supabase Auth after it, at least",
    show: ({ functionsAuthSeconds }) => formatDuration(functionsAuthSeconds),
    how: "the same with the users of a page of Auth's list; only with the mirror",
  },
  {
    what: "memory of a server or worker",
    show: (_, { measured }) => `${three(measured.workerMegabytes)} MB`,
    how: "measured at 100,000 queued; batches and pages have a fixed size, users do not count",
  },
  {
    what: "connections with functions",
    show: () => "none",
    how: "they go through PostgREST, whose pool Supabase sets",
  },
  {
    what: "connections with Node",
    show: ({ connections, servers, workers }) => `${connections} (${servers} + ${workers} processes)`,
    how: "servers and workers that keep the busiest hour at the planned share × pool of a process",
  },
  {
    what: "calls of functions a month",
    show: ({ callsPerMonth, callDollars }) => `${formatCount(callsPerMonth)}, ${formatDollars(callDollars)}`,
    how: "events a month + calls of a quiet project; above what is included by the million. `ensure-user` comes on top, once for each sign-up that uses it",
  },
  {
    what: "disk above what is included",
    show: ({ diskDollars }) => `${formatDollars(diskDollars)} a month`,
    how: "(database of the sync - GB included) × price; the app's own data is not in it",
  },
  { what: "**compute size**", show: showCompute, how: "the smallest that has all of it" },
  {
    what: "because the next smaller lacks",
    show: (needs, given) => fitCompute(needs, given)?.lacking.join(", ") || "nothing",
    how: "database recommended, half of its disk's rates, cores (those measured × share of the events / planned share), half of its connections",
  },
];

function showCompute(needs: Needs, given: Given): string {
  const fit = fitCompute(needs, given);
  return fit === null ? "**none**" : `**${fit.size.name}**, ${formatDollars(fit.size.dollars)} a month`;
}

/** What each number of users comes to, with how it is reckoned. */
export function formatNeeds(userCounts: readonly number[], given: Given): string {
  const all = userCounts.map((users) => reckon(users, given));
  const numbers = userCounts.map((users) => ({ title: `${formatCount(users)} users`, align: "right" as const }));
  const cells = lines.map(({ what, show, how }) => [what, ...all.map((needs) => show(needs, given)), how]);
  return formatTable([{ title: "", align: "left" }, ...numbers, { title: "how", align: "left" }], cells);
}

/** The database with other days of history. */
export function formatRetention(userCounts: readonly number[], days: readonly number[], given: Given): string {
  const numbers = userCounts.map((users) => ({ title: `${formatCount(users)} users`, align: "right" as const }));
  const cells = days.map((retentionDays) => {
    const shorter = { ...given, ours: { ...given.ours, retentionDays } };
    return [
      `${retentionDays}`,
      ...userCounts.map((users) => {
        const needs = reckon(users, shorter);
        return `${formatGb(needs.databaseGb)}, ${fitCompute(needs, shorter)?.size.name ?? "none"}`;
      }),
    ];
  });
  return formatTable([{ title: "`RETENTION_DAYS`", align: "right" }, ...numbers], cells);
}
