import type { Mutation } from "./mutations.ts";

const test = "tests/integration/admin/relink-rows.test.ts";
const relink = "cli/users/relink-users.ts";

/** What users relink promises of rows, records and mirrors. */
export const relinkPromises: readonly Mutation[] = [
  {
    test,
    title: "a late deletion of the old id leaves the row and the user of Supabase Auth",
    edits: [
      {
        file: "supabase/functions/_shared/clerk-sync/mirror/mirror-user.ts",
        find: "if (order.relinked)",
        replace: "if (order.relinked && !order.deleted)",
      },
    ],
  },
  {
    test,
    title: "a worker that asks another instance does not delete the user, and its job waits for the right key",
    edits: [
      {
        file: "supabase/schemas/12_refresh.sql",
        within: "clerk_sync.store_reads",
        find: "k.refresh_reason = 'relinked'",
        replace: "k.refresh_reason = 'never'",
      },
    ],
  },
  {
    test,
    title: "the record of the new id knows what the old instance gave, and the old id is one of a deleted user",
    edits: [
      {
        file: relink,
        find: "set given = array(select distinct g from unnest(n.given || o.given) as g order by g),",
        replace: "set given = n.given,",
      },
    ],
  },
  {
    test,
    title: "a primary key of ours stays, and the column that is written once waits for the new instance",
    edits: [{ file: relink, find: "ungiven = o.ungiven", replace: "ungiven = n.ungiven" }],
  },
  {
    test,
    title: "where both ids had a user in Supabase Auth, that of the row stays and the other one is named",
    edits: [
      {
        file: relink,
        find: "or exists (select 1 from clerk_sync.user_state as o where o.clerk_id = i.old_id and o.auth_user_id is not null)",
        replace: "",
      },
    ],
  },
  {
    test,
    title: "an event of the new id that comes meanwhile is stored, and applied to the row afterwards",
    edits: [
      {
        file: relink,
        find: '  await client.query("select clerk_sync.lock_records($1::text[] || $2::text[])", [...ids]);\n',
        replace: "",
      },
    ],
  },
  {
    test,
    title: "an event of the new id that came first has its row, and the old row stays and is named",
    edits: [
      {
        file: relink,
        find: "  and not exists (select 1 from clerk_sync.user_rows as u where u.clerk_id = i.new_id)\n",
        replace: "",
      },
    ],
  },
  {
    test,
    title: "rows of deleted users that are only marked keep their old id",
    edits: [{ file: "cli/users/match-rows.ts", find: "    if (is_deleted) continue;\n", replace: "" }],
  },
  {
    test,
    title: "two rows with one address stay, and so does one whose address Clerk never verified",
    edits: [{ file: "cli/users/match-rows.ts", find: "else if (is_unverified)", replace: "else if (false)" }],
  },
  {
    test,
    title: "the statements for foreign keys hold whatever the search path is, and change only how they follow",
    edits: [
      {
        file: "cli/users/read-mapped-table.ts",
        find: "set_config('search_path', '', true)",
        replace: "set_config('search_path', 'public', true)",
      },
      { file: "cli/users/read-mapped-table.ts", find: "where s.path = ''\n  and", replace: "where" },
    ],
  },
];
