import type { Mutation } from "./mutations.ts";

const recordsSql = "supabase/schemas/03_records.sql";
const jobsSql = "supabase/schemas/04_jobs.sql";
const acceptSql = "supabase/schemas/11_accept.sql";
const usersSql = "supabase/schemas/04_users.sql";
const applySql = "supabase/schemas/08_apply.sql";
const workSql = "supabase/schemas/13_work.sql";
const core = (name: string) => `supabase/functions/_shared/clerk-sync/${name}.ts`;

/** What payloads of an unexpected form must not do, each with the line that upholds it. */
export const payloadRules: readonly Mutation[] = [
  {
    test: "tests/integration/worker/apply.test.ts",
    title: "a role that a late event withdraws is mirrored again",
    edits: [
      {
        file: applySql,
        find: "  perform clerk_sync.queue_mirror(v_users, 'role_withdrawn', p_now);\n",
        replace: "",
      },
    ],
  },
  {
    test: core("webhook/foreign-events").replace(".ts", ".test.ts"),
    title: "user.deleted of user_29wBMCtzATuFJut8jO2VNTVekS4 is a sample",
    edits: [{ file: core("webhook/foreign-events"), find: '  "user_29wBMCtzATuFJut8jO2VNTVekS4",\n', replace: "" }],
  },
  {
    test: "tests/integration/worker/apply.test.ts",
    title:
      "a delete without an id, whose external_id two users have > is a dead letter that says so, and deletes neither",
    edits: [
      {
        file: workSql,
        find: "    and cardinality(m.clerk_ids) = 1;",
        replace: "    and true;",
      },
    ],
  },
  {
    test: core("clerk/parse-event.malformed").replace(".ts", ".test.ts"),
    title: 'the id "user_1\\u0000" is refused, not changed into another',
    edits: [
      {
        file: core("clerk/clerk-values"),
        find: "const exact = z.string().refine(isStorable, ",
        replace: "const exact = z.string().overwrite(sanitiseText).refine(isStorable, ",
      },
    ],
  },
  {
    test: "tests/integration/webhook/trimmed-events.test.ts",
    title: "a trimmed user.updated > with an id and a time alone leaves everything as it is, and asks for one read",
    edits: [
      {
        file: applySql,
        find: "when n.deletes or n.was_applied then null",
        replace: "when true then null",
      },
    ],
  },
  {
    test: "tests/integration/webhook/trimmed-events.test.ts",
    title: "order of arrival does not matter > one by one, in the order [2,1,0]",
    edits: [
      {
        file: applySql,
        find: "v.believed >= coalesce(s.absent_version, s.version, 0)",
        replace: "v.believed >= coalesce(s.version, 0)",
      },
    ],
  },
  {
    test: "tests/integration/webhook/trimmed-events.test.ts",
    title: 'a role that is none here > "ADMIN" is stored as the default, and job and user say that it was ignored',
    edits: [
      {
        file: usersSql,
        within: "clerk_sync.apply_users",
        find: "then clerk_sync.kind_of(w.payload -> 'user_role')",
        replace: "then null",
      },
    ],
  },
  {
    test: "tests/integration/mapping/other-mapping.test.ts",
    title:
      "a function that was deployed before the database is migrated to its columns > finds its other fields in no job, however it hands them over",
    edits: [
      {
        file: jobsSql,
        find: "and (i.value -> 'payload') - clerk_sync.payload_keys(k.kind) = '{}'",
        replace: "and true",
      },
    ],
  },
  {
    test: "tests/integration/mapping/other-mapping.test.ts",
    title:
      "a function that was deployed before the database is migrated to its columns > finds them in no job whose user was read again",
    edits: [
      {
        file: acceptSql,
        find: "clerk_sync.known_payload(r.payload, clerk_sync.payload_keys(j.kind))",
        replace: "r.payload",
      },
    ],
  },
  {
    test: "tests/integration/mapping/other-mapping.test.ts",
    title:
      "a function that was deployed before the database is migrated to its columns > asks for no read because of a field that the database does not map",
    edits: [{ file: recordsSql, find: "where a.name = any (p_keys)", replace: "where true" }],
  },
];
