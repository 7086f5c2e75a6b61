import type { Mutation } from "./mutations.ts";

const stateSql = "supabase/schemas/03_user_state.sql";
const jobsSql = "supabase/schemas/04_jobs.sql";
const brakeSql = "supabase/schemas/10_delete_brake.sql";
const refreshSql = "supabase/schemas/12_refresh.sql";
const adminSql = "supabase/schemas/21_admin.sql";
const test = "tests/integration/worker/unseen-users.test.ts";

/** What holds of users who have no row yet that could be locked or planned with, each with the line that upholds it. */
export const unseenUsers: readonly Mutation[] = [
  {
    test,
    title: "a worker passes over a user whom another worker is about to make, and takes the rest",
    edits: [
      {
        file: jobsSql,
        find: "else pg_try_advisory_xact_lock(hashtextextended(i.clerk_id, 7461203))",
        replace: "else true",
      },
    ],
  },
  {
    test,
    title: "a worker passes over a user whom somebody is about to have refreshed",
    edits: [
      {
        file: refreshSql,
        find: "  perform clerk_sync.lock_new_users(p_clerk_ids);\n",
        replace: "",
      },
    ],
  },
  {
    test,
    title: "who is deleted before anything else was heard counts for the delete brake, if there is a row",
    edits: [
      {
        file: brakeSql,
        find: "coalesce((select s.deleted_at is null from clerk_sync.user_state as s where s.clerk_id = j.clerk_id), true)",
        replace: "(select s.deleted_at is null from clerk_sync.user_state as s where s.clerk_id = j.clerk_id)",
      },
    ],
  },
  {
    test,
    title: "when a user was first seen is kept from the event that brought it, and is unknown of who was here before",
    edits: [
      {
        file: stateSql,
        find: "(select true from public.users as u where u.clerk_id = c.clerk_id) is null then p_now end",
        replace: "true then p_now end",
      },
    ],
  },
  {
    test: "tests/integration/database/plans.test.ts",
    title:
      "a row is looked up by its own index, also in a table that was analysed while it was empty: clerk_sync.user_state (clerk_id)",
    edits: [
      {
        file: adminSql,
        find: 'clerk_id collate "C")\n  where case when clerk_id is not null then true end;',
        replace: 'clerk_id collate "C");',
      },
    ],
  },
];
