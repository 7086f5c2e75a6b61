import type { Mutation } from "./mutations.ts";

const countsSql = "supabase/schemas/06_counts.sql";
const scheduleSql = "supabase/schemas/22_schedule_and_retention.sql";
const rolledOnly = "      and d.processed_at < (select s.rolled_until from clerk_sync.metric_state as s)\n";
const test = "tests/integration/metrics/metric-series.test.ts";

/** What is counted is counted once, and not lost. */
export const counting: readonly Mutation[] = [
  {
    test,
    title: "the window 24h shows what finished at its beginning, after the jobs are purged",
    edits: [{ file: scheduleSql, find: "('minute', interval '25 hours')", replace: "('minute', interval '2 hours')" }],
  },
  {
    test,
    title: "the roll-up > counts everything once, however often it runs",
    edits: [{ file: countsSql, find: "set rolled_until = v_until", replace: "set rolled_until = s.rolled_until" }],
  },
  {
    test,
    title: "the roll-up > leaves the last minute alone: what is dated there may commit later",
    edits: [
      {
        file: countsSql,
        find: "v_until := greatest(v_from, p_now - interval '1 minute');",
        replace: "v_until := greatest(v_from, p_now);",
      },
    ],
  },
  {
    test,
    title: "the roll-up > is done by one of two connections at a time, and nothing is counted twice or lost",
    edits: [
      {
        file: countsSql,
        find: "from clerk_sync.metric_state as s for update skip locked;",
        replace: "from clerk_sync.metric_state as s;",
      },
    ],
  },
  {
    test,
    title: "the roll-up > comes before the purge: nothing goes uncounted, and the totals stay when the minutes go",
    edits: [
      { file: scheduleSql, find: "while clerk_sync.roll_up(p_now) and", replace: "while" },
      { file: scheduleSql, find: rolledOnly, replace: "" },
    ],
  },
  {
    test,
    title: "the roll-up > held by another, it holds the purge back",
    edits: [{ file: scheduleSql, find: rolledOnly, replace: "" }],
  },
];
