import type { Mutation } from "./mutations.ts";

const healthSql = "supabase/schemas/17_health.sql";
const notWritable = "tests/integration/health/not-writable.test.ts";

/** Probes know when nothing can be written, and unfinished bodies do no harm; each with the line that upholds it. */
export const probeRules: readonly Mutation[] = [
  {
    test: notWritable,
    title: "a full disk is noticed by a write that needs a new page",
    edits: [
      {
        file: healthSql,
        find: "'write_failure', public.clerk_sync_write_failure()",
        replace: "'write_failure', null",
      },
    ],
  },
  {
    test: notWritable,
    title: "a queue that refuses every event makes both say so, whatever the reason",
    edits: [
      {
        file: "supabase/functions/_shared/clerk-sync/health/watch-stores.ts",
        find: "count: (refused?.count ?? 0) + 1",
        replace: "count: 1",
      },
    ],
  },
  {
    test: "tests/integration/webhook/unfinished-bodies.test.ts",
    title: "unfinished bodies of 160 connections take nothing from the events that Clerk sends",
    edits: [
      {
        file: "supabase/functions/_shared/clerk-sync/webhook/limit-load.ts",
        find: "return bytes > smallBodyBytes ? ",
        replace: "return bytes < 0 ? ",
      },
    ],
  },
];
