import type { Mutation } from "./mutations.ts";

const core = "supabase/functions/_shared/clerk-sync";
const mirror = `${core}/mirror/mirror-user.ts`;
const contact = `${core}/mirror/mirror-contact.ts`;
const adopt = `${core}/mirror/adopt-holder.ts`;
const refusals = `${core}/mirror/auth-refusals.ts`;
const users = `${core}/mirror/mirror-user.test.ts`;
const conflicts = `${core}/mirror/mirror-user.conflicts.test.ts`;

/** What keeps a native user of Supabase Auth out of a mirror, and what must not freeze one. */
export const mirrorPromises: readonly Mutation[] = [
  {
    test: users,
    title:
      "a user who is not mirrored yet > carries a ban without end from the start, and Clerk's own ban in the metadata",
    edits: [{ file: mirror, find: "    ban_duration: banWithoutEnd,\n", replace: "" }],
  },
  {
    test: users,
    title: "a user who is not mirrored yet > is created with a placeholder while Clerk has not verified the address",
    edits: [
      {
        file: contact,
        find: "return email_verified ? { email, email_confirm: true } : placeholder(id);",
        replace: "return { email, email_confirm: true };",
      },
    ],
  },
  {
    test: conflicts,
    title:
      "with AUTH_ADOPT=on, that Auth user > becomes the mirror when the longest access token has run out, and stays locked",
    edits: [{ file: adopt, find: "if (waitSeconds > 0)", replace: "if (waitSeconds > 1)" }],
  },
  {
    test: conflicts,
    title: "with AUTH_ADOPT=on, that Auth user > is locked again when it signed in so late that a token may be left",
    edits: [{ file: adopt, find: "if (lastToken > now) return lock(auth, holder, adoption);", replace: "" }],
  },
  {
    test: users,
    title:
      "a user who is mirrored > whose email is refused by the Auth server gives the old one up, and all else is written",
    edits: [
      {
        file: mirror,
        find: "if (!isTaken(updated) && !isRefusedContact(updated, contact)) throw rejected(updated);",
        replace: "if (!isTaken(updated)) throw rejected(updated);",
      },
    ],
  },
  {
    test: users,
    title: "a user who is mirrored > who has an email now gives the number up, for its next owner",
    edits: [{ file: mirror, find: "    await releasePhone(auth, updated.user, contact);\n", replace: "" }],
  },
  {
    test: conflicts,
    title:
      "a conflict that no retry resolves > is no conflict of addresses when a trigger of the owner's broke another constraint",
    edits: [
      {
        file: refusals,
        find: "return answer.constraint === undefined || authConstraints.includes(answer.constraint);",
        replace: "return true;",
      },
    ],
  },
];
