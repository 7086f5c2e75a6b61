import type { Mutation } from "./mutations.ts";

const helpersSql = "supabase/schemas/22_policy_helpers.sql";
/** What makes that file, for a mapping that a test generates itself. */
const generator = "mapping/generate-policy-helpers.ts";
const tokens = "tests/integration/organizations/token-helpers.test.ts";
const tables = "tests/integration/organizations/table-helpers.test.ts";
const schema = "tests/integration/organizations/helpers-schema.test.ts";
const policies = "tests/integration/organizations/policies.test.ts";

/** What policies rely on: the helpers say what Clerk's token says, and show nobody another's memberships. */
export const policyRules: readonly Mutation[] = [
  {
    test: tokens,
    title: "each of 300 bits of one integer counts",
    edits: [
      {
        file: helpersSql,
        within: "clerk.has_permission",
        find: "mod(div(right(i.digits, p.place::integer)::numeric, 2::numeric ^ (p.place - 1)), 2) = 1",
        replace: "mod(floor(i.digits::numeric / 2::numeric ^ (p.place - 1)), 2) = 1", // rounds before floor
      },
    ],
  },
  {
    test: tokens,
    title: "the helpers say of 10,000 random tokens what the SDK says",
    edits: [
      {
        file: helpersSql,
        within: "clerk.has_permission",
        find: "where split_part(e.entry, ':', 1) in ('o', 'ou', 'uo')",
        replace: "where true", // features of the user shift the place
      },
    ],
  },
  {
    test: tokens,
    title: "claims that are no JSON give null and false",
    edits: [
      { file: helpersSql, within: "clerk.claims", find: "  when others then", replace: "  when raise_exception then" },
    ],
  },
  {
    test: tables,
    title: "user_eve in org_2: member false, role null",
    edits: [{ file: helpersSql, within: "clerk.is_member", find: "m.user_id = v_user_id", replace: "true" }],
  },
  {
    test: tables,
    title: "my_org_ids > the active organization of the token does not count",
    edits: [{ file: helpersSql, within: "clerk.my_org_ids", find: "m.user_id = v_user_id", replace: "true" }],
  },
  {
    test: tables,
    title: "user_left in org_1: member false, role null",
    edits: [{ file: helpersSql, within: "clerk.member_role", find: "      and m.deleted_at is null\n", replace: "" }],
  },
  {
    test: tables,
    title: "anon may call none of them, and nobody in the name of public",
    edits: [{ file: helpersSql, find: "from public, anon;", replace: "from anon;" }],
  },
  {
    test: policies,
    title: "an admin who was demoted cannot write any more, and still reads",
    edits: [
      { file: generator, find: "    select m.role\n", replace: "    select coalesce(clerk.org_role(), m.role)\n" },
    ],
  },
  {
    test: schema,
    title: "a schema clerk that is there already > keeps a function of somebody else's that has the name of a helper",
    edits: [
      {
        file: generator,
        find: "    and p.proname = any (v_names)\n    and coalesce",
        replace: "    and false and coalesce",
      },
    ],
  },
];
