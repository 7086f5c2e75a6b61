import type { Mutation } from "./mutations.ts";

const workSql = "supabase/schemas/13_work.sql";
const scheduleSql = "supabase/schemas/22_schedule_and_retention.sql";

/** What keeps calls quick whatever PostgreSQL is configured to do, and an installation possible beside what others do. */
export const quickPlans: readonly Mutation[] = [
  {
    test: "tests/integration/database/jit.test.ts",
    title: "no function has settings of the planner and lets PostgreSQL compile its queries",
    edits: [
      {
        file: workSql,
        find: "set jit = 'off' -- what is off still counts as cost, so much that PostgreSQL would compile each call\n",
        replace: "",
      },
    ],
  },
  {
    test: "cli/init/number-migrations.test.ts",
    title: "the last number is the second before now, in UTC, so that a migration made now gets another",
    edits: [{ file: "cli/init/number-migrations.ts", find: "now - count * 1000", replace: "now" }],
  },
  {
    test: "tests/integration/database/schedule-elsewhere.test.ts",
    title: "beside the database of pg_cron the schedule is left out, and doctor says so",
    edits: [
      {
        file: scheduleSql,
        find: "\n    or raise_exception then -- pg_cron is configured for another database",
        replace: " then",
      },
    ],
  },
];
