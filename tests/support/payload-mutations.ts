import type { Mutation } from "./mutations.ts";

const core = (name: string) => `supabase/functions/_shared/clerk-sync/${name}.ts`;
const migration = (name: string) => `supabase/migrations/${name}.sql`;

/** What payloads of an unexpected form must not do, each with the line that upholds it. */
export const payloadRules: readonly Mutation[] = [
  {
    test: core("check-origin").replace(".ts", ".test.ts"),
    title: "user.deleted of user_29wBMCtzATuFJut8jO2VNTVekS4 is a sample",
    edits: [{ file: core("check-origin"), find: '  "user_29wBMCtzATuFJut8jO2VNTVekS4",\n', replace: "" }],
  },
  {
    test: "tests/integration/apply.test.ts",
    title:
      "a delete without an id, whose external_id two users have > is a dead letter that says so, and deletes neither",
    edits: [
      {
        file: migration("20261124000054_find_users"),
        find: "    and cardinality(m.clerk_ids) = 1;",
        replace: "    and true;",
      },
    ],
  },
  {
    test: core("parse-event.malformed").replace(".ts", ".test.ts"),
    title: 'the id "user_1\\u0000" is refused, not changed into another',
    edits: [
      {
        file: core("parse-event"),
        find: "const exact = z.string().refine(isStorable, ",
        replace: "const exact = z.string().transform(sanitiseText).refine(isStorable, ",
      },
    ],
  },
];
