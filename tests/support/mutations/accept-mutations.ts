import type { Mutation } from "./mutations.ts";

const jobsSql = "supabase/schemas/04_jobs.sql";
const acceptSql = "supabase/schemas/11_accept.sql";
const test = "tests/integration/webhook/accept.test.ts";

/** What the webhook's own applying must not do, each with the line that upholds it. */
export const acceptPromises: readonly Mutation[] = [
  {
    test: "tests/integration/server/serve.test.ts",
    title: "an instance that only takes events writes the row and leaves the mirror to a worker",
    edits: [
      {
        file: "supabase/functions/_shared/clerk-sync/webhook/accept-events.ts",
        find: "mirrors: authMirror }",
        replace: "mirrors: false }",
      },
    ],
  },
  {
    test,
    title: "an event that cannot be applied is queued all the same, and a worker finds out why",
    edits: [
      {
        file: acceptSql,
        find: "    when others or assert_failure then -- they are",
        replace: "    when sqlstate 'P0001' then -- they are",
      },
    ],
  },
  {
    test,
    title: "an event whose row an app's transaction holds is queued, and its sender hardly waits",
    edits: [
      { file: acceptSql, within: "clerk_sync.write_new_jobs", find: "set lock_timeout = '100ms'\n", replace: "" },
      { file: acceptSql, within: "clerk_sync.apply_at_once", find: "set lock_timeout = '100ms'\n", replace: "" },
    ],
  },
  {
    test,
    title: "deletions beyond the delete brake wait, as those of a worker do",
    edits: [
      {
        file: acceptSql,
        find: "clerk_sync.hold_deletes(array(select d.id from unnest(v_due) as d), p_delete_brake, p_now)",
        replace: "array(select d.id from unnest(v_due) as d)",
      },
    ],
  },
  {
    test,
    title: "a user whose mirror call is under way is left to the worker that makes it",
    edits: [
      {
        file: jobsSql,
        find: "r.clerk_id = i.clerk_id and r.status = 'PROCESSING'",
        replace: "false",
      },
    ],
  },
  {
    test,
    title: "a known event does nothing, and one that was dead is queued for a worker",
    edits: [
      {
        file: acceptSql,
        within: "clerk_sync.write_new_jobs",
        find: "      and not exists (select 1 from public.job_queue as j where j.event_id = i.event_id)\n",
        replace: "",
      },
    ],
  },
  {
    test: "tests/integration/worker/job-history.test.ts",
    title: "every change of state is recorded with its time, also one made by hand",
    edits: [
      {
        file: jobsSql,
        find: "when v_status = j.status then j.history",
        replace: "when true then j.history",
      },
    ],
  },
  {
    test,
    title: "an event that was applied and then overtaken says so of itself",
    edits: [
      {
        file: jobsSql,
        find: "        when j.result @> '{\"applied\": true}' and (j.job_type <> 'USER_DELETED' or p_status is null) then j.result\n",
        replace: "",
      },
    ],
  },
];
