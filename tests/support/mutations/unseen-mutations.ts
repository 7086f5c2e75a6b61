import type { Mutation } from "./mutations.ts";

const usersSql = "supabase/schemas/04_users.sql";
const recordsSql = "supabase/schemas/03_records.sql";
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
        file: recordsSql,
        within: "clerk_sync.claim_records",
        find: "else pg_try_advisory_xact_lock(hashtextextended(i.id, 7461203))",
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
        find: "  perform clerk_sync.lock_records(p_clerk_ids);\n",
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
        find: "coalesce((select r.deleted_at is null from clerk_sync.records as r where r.id = j.clerk_id), true)",
        replace: "(select r.deleted_at is null from clerk_sync.records as r where r.id = j.clerk_id)",
      },
    ],
  },
  {
    test,
    title: "when a user was first seen is kept from the event that brought it, and is unknown of who was here before",
    edits: [
      {
        file: usersSql,
        within: "clerk_sync.apply_users",
        find: "u.clerk_id = f.clerk_id",
        replace: "false",
      },
    ],
  },
  {
    test: "tests/integration/database/plans.test.ts",
    title:
      "a row is looked up by its own index, also in a table that was analysed while it was empty: clerk_sync.records (id)",
    edits: [
      {
        file: adminSql,
        find: 'id collate "C")\n  where case when id is not null then true end;',
        replace: 'id collate "C");',
      },
    ],
  },
];
