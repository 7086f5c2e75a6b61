import type { Edit, Mutation } from "./mutations.ts";

const test = "tests/integration/admin/table-content.test.ts";
const doctor = "tests/integration/cli/doctor.test.ts";
const content = (find: string, replace: string): Edit => ({
  file: "supabase/schemas/21_admin.sql",
  within: "public.clerk_sync_table_content",
  find,
  replace,
});
const contract = (title: string) => ({ test, title: `the table of the contract > ${title}` });
const emptyTables = {
  test,
  title: "tables that were analysed while they were empty > are looked at through indexes, as far as the bound",
};
const never = {
  test,
  title: "tables that were never analysed > are looked at through indexes, as far as the bound",
};

/** What doctor says of the rows is true and bounded, each with the line that upholds it. */
export const contentRules: readonly Mutation[] = [
  {
    ...contract("a column is empty for everybody when no row that was looked at has a value"),
    edits: [content(`not in ('null', '""')`, "<> 'null'")],
  },
  {
    ...contract("says nothing of a table without rows"),
    edits: [content("exists (select 1 from looked)", "true")],
  },
  {
    ...contract("deleted users and rows of the app's own are not among those that are looked at"),
    edits: [content("      and case when r.deleted_at is null then 'present' else 'deleted' end = 'present'\n", "")],
  },
  {
    ...contract("rows without a Clerk id are counted up to a bound, with examples"),
    edits: [content("rows_without_id(p_most + 1)", "rows_without_id(p_most)")],
  },
  {
    ...contract("refused values are counted by column and kind up to a bound, of mapped columns only"),
    edits: [content("          where m.columns ? r.name", "          where true")],
  },
  {
    test,
    title:
      "the tables of teams > an address that is a placeholder for everybody is empty, and a column written with the row says so",
    edits: [content("when c.source = 'email' then", "when c.source = '' then")],
  },
  {
    test,
    title: "the tables of teams > a row whose key has the text that stands for none has no Clerk id",
    edits: [
      {
        file: "mapping/generate-users.ts",
        find: "...(emptyText === null ? [] : [find(",
        replace: "...(emptyText !== null ? [] : [find(",
      },
    ],
  },
  { ...emptyTables, edits: [content("set enable_seqscan = 'off'", "")] },
  {
    ...never,
    edits: [
      {
        file: "supabase/schemas/03_records.sql",
        find: "on clerk_sync.user_state (clerk_id)\n  where ignored is not null",
        replace: "on clerk_sync.user_state (clerk_id)\n  where role = ''",
      },
    ],
  },
  {
    ...never,
    edits: [
      {
        file: "supabase/schemas/04_users.sql",
        within: "clerk_sync.rows_without_id",
        find: "set enable_bitmapscan = 'off'",
        replace: "",
      },
    ],
  },
  {
    test: doctor,
    title: "what the table does not hold is a warning each, with what to do",
    edits: [
      {
        file: "cli/doctor/check-database.ts",
        find: '  ask("clerk_sync_table_content", contentSchema, explainContent),\n',
        replace: "",
      },
    ],
  },
];
