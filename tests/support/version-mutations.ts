import type { Mutation } from "./mutations.ts";

const migration = (name: string) => `supabase/migrations/${name}.sql`;
const file = (name: string) => `tests/integration/${name}.test.ts`;

/** Which of two claims is believed, and what is taken of a value that no table can hold. */
export const versionRules: readonly Mutation[] = [
  {
    test: file("emails"),
    title: "an unverified claim takes no address from a verified user, however new it is (unverified first)",
    edits: [{ file: migration("20261124000008_emails"), find: "q.email_verified desc, ", replace: "" }],
  },
  {
    test: file("emails"),
    title: "when the holder is no longer verified, the user whose claim was withheld is read again",
    edits: [
      { file: migration("20261124000008_emails"), find: "or (h.was_verified and not c.email_verified)", replace: "" },
    ],
  },
];
