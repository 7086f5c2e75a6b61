import type { Mutation } from "./mutations.ts";

const usersSql = "supabase/schemas/04_users.sql";
const applySql = "supabase/schemas/08_apply.sql";
const core = (name: string) => `supabase/functions/_shared/clerk-sync/${name}.ts`;
const file = (name: string) => `tests/integration/${name}.test.ts`;

/** Which of two claims is believed, and what is taken of a value that no table can hold. */
export const versionRules: readonly Mutation[] = [
  {
    test: file("worker/emails"),
    title: "an unverified claim takes no address from a verified user, however new it is (unverified first)",
    edits: [{ file: applySql, find: "q.email_verified desc, ", replace: "" }],
  },
  {
    test: file("worker/versions"),
    title:
      "an event from the future, applied by a worker > is settled by the read from Clerk's API, however old the user is there",
    edits: [
      {
        file: applySql,
        find: "p_read_version >= p_trusted_version and p_read_at >= p_synced_at",
        replace: "false",
      },
    ],
  },
  {
    test: file("worker/versions"),
    title:
      "an event from the future, applied by a worker > is not replaced by an event that is older than what was known before it",
    edits: [
      {
        file: applySql,
        find: "          else v.believed >= s.trusted_version or s.version > v_latest\n        end\n      order",
        replace: "          else s.trusted_version is not null or s.version > v_latest\n        end\n      order",
      },
    ],
  },
  {
    test: file("worker/versions"),
    title:
      "an event from the future, applied by a worker > is not settled by a read that is older than what was known before it",
    edits: [
      {
        file: applySql,
        find: "p_read_version >= p_trusted_version and",
        replace: "p_trusted_version is not null and",
      },
    ],
  },
  {
    test: file("worker/versions"),
    title: "a forged event of this very moment > loses against a read that began more than five minutes after it",
    edits: [
      {
        file: applySql,
        find: "p_read_at > p_synced_at + interval '5 minutes'",
        replace: "false",
      },
    ],
  },
  {
    test: file("admin/admin-api-users"),
    title: "a user > has a version that no date can be (9007199254740991)",
    edits: [
      {
        file: core("admin/user/read-places"),
        find: "describeVersion(version) : null",
        replace: "new Date(version).toISOString() : null",
      },
    ],
  },
  {
    test: file("admin/admin-values"),
    title: "get /users/{clerk_id} refuses what PostgreSQL cannot take, and names the parameter",
    edits: [{ file: core("admin/app"), find: 'refuseUnstorable(context.req.param(), "");', replace: "" }],
  },
  {
    test: file("worker/emails"),
    title: "an address that no index takes costs the address, not the row, and the job says so (by a worker)",
    edits: [
      { file: core("clerk/user-fields"), find: "const longestAddress = 320;", replace: "const longestAddress = 1e6;" },
    ],
  },
  {
    test: file("database/row-level-security"),
    title:
      "public.users over HTTP where default privileges grant everything > what a user writes into preferences is bounded, what the service writes is not",
    edits: [{ file: usersSql, find: "<= 65536", replace: "<= 65536000" }],
  },
  {
    test: file("webhook/methods"),
    title: "/functions/v1/sync-admin/jobs/retry answers an undeclared method 405, and says which it takes",
    edits: [{ file: core("admin/app"), find: "if (fits.length === 0) {", replace: "if (fits.length < 100) {" }],
  },
  {
    test: file("worker/emails"),
    title: "when the holder is no longer verified, the user whose claim was withheld is read again",
    edits: [
      {
        file: applySql,
        find: "or (k.email_verified and not coalesce((c.payload ->> 'email_verified')::boolean, false))",
        replace: "",
      },
    ],
  },
];
