import type { Mutation } from "./mutations.ts";

/** What keeps calls quick whatever PostgreSQL is configured to do, and an installation possible beside what others do. */
export const quickPlans: readonly Mutation[] = [
  {
    test: "tests/integration/jit.test.ts",
    title: "no function has settings of the planner and lets PostgreSQL compile its queries",
    edits: [
      {
        file: "supabase/migrations/20261124000011_run_jobs.sql",
        find: "set jit = 'off' -- what is off still counts as cost, so much that PostgreSQL would compile each call\n",
        replace: "",
      },
    ],
  },
  {
    test: "cli/init/number-migrations.test.ts",
    title: "the last number is now, in UTC, so that none lies in the future",
    edits: [{ file: "cli/init/number-migrations.ts", find: "now - (count - 1) * 1000", replace: "now" }],
  },
];
