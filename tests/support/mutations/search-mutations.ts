import type { Edit, Mutation } from "./mutations.ts";

const recordsSql = "supabase/schemas/03_records.sql";
const adminSql = "supabase/schemas/21_admin.sql";
const generator = "mapping/generate-users.ts";
const usersSql = "supabase/schemas/04_users.sql";
const test = "tests/integration/admin/search-users.test.ts";
const contract = (title: string) => ({ test, title: `the table of the contract > ${title}` });
const index = (find: string, replace = ""): Edit => ({
  file: recordsSql,
  within: "clerk_sync.text_index",
  find,
  replace,
});
const empty = {
  test,
  title:
    "a table that was analysed while it was empty > is not scanned by a search, whether its columns have an index or not",
};

/** A search reads what an index finds and nothing else, each with the line that upholds it. */
export const searchRules: readonly Mutation[] = [
  { ...contract("an index that is not valid is none"), edits: [index("    and i.indisvalid\n")] },
  {
    ...contract("an index (name) where name is not null is none"),
    edits: [index("    and i.indpred is null\n")],
  },
  {
    ...contract('an index (name collate "POSIX") is none'),
    edits: [index("    and i.indcollation[0] = a.attcollation\n")],
  },
  {
    ...contract("an index using brin (name) is none"),
    edits: [index("\n    and m.amname in ('btree', 'hash')")],
  },
  {
    ...contract("an index (clerk_id, name) is none"),
    edits: [index("i.indkey[0] = a.attnum", "a.attnum = any (i.indkey)")],
  },
  {
    test,
    title: "the tables of teams > a column citext, which finds in any case by an index of its own type",
    edits: [
      index("case when a.atttypid = 'varchar'::regtype then 'text'::regtype else a.atttypid end", "'text'::regtype"),
    ],
  },
  {
    test,
    title: "the tables of teams > Drizzle, whose columns are varchar",
    edits: [index(", format('lower((%I)::text)', a.attname)")],
  },
  {
    ...contract("rows without a Clerk id are left out, and of many rows it says that there are more"),
    edits: [{ file: usersSql, within: "clerk_sync.find_by_text", find: "    where i.id is not null\n", replace: "" }],
  },
  {
    ...contract("rows without a Clerk id are left out, and of many rows it says that there are more"),
    edits: [{ file: usersSql, within: "clerk_sync.find_by_text", find: "limit 51", replace: "limit 50" }],
  },
  {
    ...contract("while a mapped column has another name, users are found by id, and the answer leads to doctor"),
    edits: [
      {
        file: usersSql,
        within: "clerk_sync.find_by_text",
        find: "when undefined_column then",
        replace: "when undefined_table then",
      },
    ],
  },
  {
    ...contract("whom the text names by id or address come first, and each user stands once"),
    edits: [
      {
        file: adminSql,
        within: "public.clerk_sync_admin_users",
        find: "order by min(n.place), n.clerk_id",
        replace: "order by n.clerk_id",
      },
    ],
  },
  {
    ...empty,
    edits: [
      { file: adminSql, within: "public.clerk_sync_admin_users", find: "set enable_seqscan = 'off'", replace: "" },
    ],
  },
  {
    ...empty,
    edits: [{ file: generator, find: "set enable_bitmapscan = 'off' -- it collects", replace: "-- it collects" }],
  },
  {
    ...empty,
    edits: [{ file: generator, find: "set plan_cache_mode = 'force_custom_plan'", replace: "" }],
  },
];
