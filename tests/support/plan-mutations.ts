import type { Mutation } from "./mutations.ts";

/** What keeps calls quick whatever PostgreSQL is configured to do. */
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
];
