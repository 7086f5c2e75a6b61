import type { Mutation } from "./mutations.ts";

const applySql = "supabase/schemas/08_apply.sql";
const acceptSql = "supabase/schemas/11_accept.sql";
const core = "supabase/functions/_shared/clerk-sync";

/** What keeps one job from stopping the others, each with the line that upholds it. */
export const queuePromises: readonly Mutation[] = [
  {
    test: "tests/integration/worker/refused-jobs.test.ts",
    title: "a job that fails at the commit fails alone",
    edits: [
      {
        file: applySql,
        within: "clerk_sync.apply_jobs",
        find: "  set constraints all immediate;\n",
        replace: "",
      },
    ],
  },
  {
    test: "tests/integration/worker/refused-jobs.test.ts",
    title: "a job whose trigger asserts fails alone",
    edits: [
      {
        file: applySql,
        within: "clerk_sync.apply_batch",
        find: "    when others or assert_failure then\n",
        replace: "    when others then\n",
      },
    ],
  },
  {
    test: "tests/integration/worker/refused-jobs.test.ts",
    title: "a deletion that a foreign key stops is a dead letter the second time",
    edits: [{ file: applySql, find: "like '22%' or (v_is_blocked and v_is_again)", replace: "like '22%'" }],
  },
  {
    test: "tests/integration/worker/refused-jobs.test.ts",
    title: "an event that hangs is stored in the call that was cut, and leaves its company to the worker",
    edits: [
      {
        file: acceptSql,
        find: "when others or assert_failure or query_canceled",
        replace: "when others or assert_failure",
      },
    ],
  },
  {
    test: "tests/integration/worker/refused-jobs.test.ts",
    title: "an event that hangs is stored in the call that was cut, and leaves its company to the worker",
    edits: [{ file: acceptSql, find: "p_alone => coalesce(v_refused = '57014', false)", replace: "p_alone => false" }],
  },
  {
    test: "tests/integration/worker/refused-jobs.test.ts",
    title: "an event is stored while the table users is locked",
    edits: [
      {
        file: acceptSql,
        within: "public.clerk_sync_enqueue",
        find: "when others or query_canceled then",
        replace: "when no_data_found then",
      },
    ],
  },
  {
    test: `${core}/webhook/accept-events.test.ts`,
    title:
      "a call that hangs > holds up no other event: after half a second those are stored beside it, without being applied",
    edits: [{ file: `${core}/webhook/accept-events.ts`, find: "      call.isSlow = true;\n", replace: "" }],
  },
];
