import type { Mutation } from "./mutations.ts";

const usersSql = "supabase/schemas/04_users.sql";
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
        find: "mirrors: config.authMirror }",
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
        find: "    when others or assert_failure or query_canceled then -- the events",
        replace: "    when sqlstate 'P0001' then -- the events",
      },
    ],
  },
  {
    test,
    title: "an event whose row an app's transaction holds is queued, and its sender hardly waits",
    edits: [{ file: acceptSql, within: "clerk_sync.apply_new", find: "set lock_timeout = '100ms'\n", replace: "" }],
  },
  {
    test,
    title: "a deletion is left to a worker, whom the delete brake can stop",
    edits: [
      {
        file: usersSql,
        within: "clerk_sync.apply_users",
        find: "        else false\n      end as is_done",
        replace: "        else e.job_type = 'USER_DELETED'\n      end as is_done",
      },
    ],
  },
  {
    test,
    title: "a user whose mirror call is under way is left to the worker that makes it",
    edits: [
      {
        file: acceptSql,
        within: "clerk_sync.apply_new",
        find: "e.clerk_id and j.status = 'PROCESSING'",
        replace: "e.clerk_id and false",
      },
    ],
  },
  {
    test,
    title: "a known event does nothing, and one that was dead is queued for a worker",
    edits: [
      {
        file: acceptSql,
        within: "clerk_sync.apply_new",
        find: "j.event_id = e.event_id",
        replace: "false",
      },
      { file: usersSql, within: "clerk_sync.apply_users", find: "r.version >= e.version", replace: "false" },
    ],
  },
  {
    test: "tests/integration/worker/retries.test.ts",
    title: "after MAX_ATTEMPTS a job is a dead letter that names the error of every attempt",
    edits: [
      {
        file: jobsSql,
        within: "clerk_sync.move_jobs",
        find: "when m.status = j.status and a.attempts = j.attempts and p_by is null then j.history",
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
        within: "clerk_sync.complete_jobs",
        find: "when not p_applied and j.applied_at is null then",
        replace: "when not p_applied then",
      },
    ],
  },
];
