import type { UserFacts, UserRule } from "./user-rule.ts";

// What the places say of a user for whom nothing is under way.

/** Clerk has answered that there is no such user. */
export const deletedRules: readonly UserRule[] = [
  {
    code: "row_not_at_clerk",
    when: ({ clerk, users }) => clerk.state === "absent" && !isGone(users),
    what: () =>
      "There is a row, but Clerk does not have this user: the deletion was never received, or the row is of another Clerk instance.",
    remedy: () =>
      "Is CLERK_SECRET_KEY that of the right instance? Then resync the user: the row goes the way of every deletion.",
  },
  {
    code: "auth_left_over",
    when: ({ clerk, auth }) => clerk.state === "absent" && auth.state === "present",
    what: () => "The user is deleted at Clerk and here, but Supabase Auth still has them.",
    remedy: () => "Resync the user: the deletion is then made there as well.",
  },
  {
    code: "unknown_user",
    inStep: true,
    when: ({ clerk, state, jobs }) => clerk.state === "absent" && state === null && jobs.length === 0,
    what: () => "Neither Clerk nor this project has ever heard of this id.",
    remedy: () => "Check the id, and that CLERK_SECRET_KEY belongs to the instance the user signed up at.",
  },
  {
    code: "deleted",
    inStep: true,
    when: ({ clerk }) => clerk.state === "absent",
    what: ({ state }) =>
      `The user is deleted at Clerk, and here${state?.deleted_at ? ` since ${state.deleted_at}` : ""}.`,
    remedy: () => "Nothing is to be done.",
  },
];

/** Clerk has answered with the user. */
export const presentRules: readonly UserRule[] = [
  {
    code: "tombstone",
    when: ({ clerk, users, state }) => clerk.state === "present" && isGone(users) && Boolean(state?.deleted_at),
    what: ({ state }) =>
      `Clerk has this user, but said at ${state?.deleted_at} that they were deleted. No event revives a deleted user.`,
    remedy: () => "Resync the user: only a fresh read from Clerk's API brings a deleted one back.",
  },
  {
    code: "never_delivered",
    when: ({ clerk, users, jobs }) => clerk.state === "present" && isGone(users) && jobs.length === 0,
    what: () => "Clerk has this user, but no event of theirs ever arrived.",
    remedy: () =>
      "Resync the user. Then see in Clerk's dashboard, under Webhooks, the endpoint, why it was not delivered; are there more, start a backfill.",
  },
  {
    code: "row_missing",
    when: ({ clerk, users }) => clerk.state === "present" && isGone(users),
    what: () =>
      "Clerk has this user and their events were applied, and yet there is no row: it was deleted in the database.",
    remedy: () => "Resync the user: the row is made again.",
  },
  {
    code: "version_ahead",
    when: ({ difference }) => difference?.kind === "ahead",
    what: ({ clerk, users }) =>
      `Applied is a change of ${users.values.updated_at}, but Clerk's newest is of ${clerk.values.updated_at}: what was applied does not come from Clerk. Either a webhook secret leaked, or a clock was wrong.`,
    remedy: () =>
      "Resync the user: what Clerk has is written again. Then change the webhook's secret and look for others; docs/secret-leaked.md says how.",
  },
  {
    code: "stale",
    when: ({ difference }) => difference?.kind === "stale" || difference?.kind === "pending",
    what: ({ clerk, users }) =>
      `Clerk's newest change is of ${clerk.values.updated_at}; applied is that of ${users.values.updated_at ?? "no time"}. The event has not arrived.`,
    remedy: () =>
      "Resync the user. Then see in Clerk's dashboard, under Webhooks, the endpoint, why it was not delivered.",
  },
  {
    code: "row_differs",
    when: ({ difference }) => difference?.kind === "differs",
    what: ({ differences }) =>
      `The newest change was applied, but the row has other values (${differences.join(", ")}): it was edited here.`,
    remedy: () => "Resync the user: what Clerk has is written again.",
  },
  {
    code: "edited",
    inStep: true,
    when: ({ difference }) => difference?.kind === "edited",
    what: () => "All is in step but the name, which users may edit here themselves.",
    remedy: () => "Nothing is to be done. A resync writes Clerk's name again.",
  },
];

/** The sync looks again and again, and cannot mend it while two users have the address at Clerk. */
export const emailRule: UserRule = {
  code: "email_held",
  when: ({ clerk, users }) => Boolean(clerk.values.email) && users.state === "present" && users.values.email === null,
  what: ({ emailHolder }) =>
    emailHolder === null
      ? "The row has no address, though Clerk has one: a row without a Clerk id holds it, or it was removed here."
      : `The row has no address, though Clerk has one: it is held by the row of ${emailHolder}, whose claim is better: verified, or newer.`,
  remedy: ({ emailHolder }) =>
    emailHolder === null
      ? "In Supabase's Table Editor find the row of public.users with this address; give it this user's Clerk id, or remove its address. Then resync this user."
      : `Resync both, ${emailHolder} first: each is read again from Clerk's API, and who has the address there gets it.`,
};

/** As clerk_sync.latest_version: how far ahead of our clock a time of Clerk's is believed. */
const believedAheadMilliseconds = 300_000;

/** Clerk does not say otherwise, but what was applied has a time that has not come yet. */
export const futureRule: UserRule = {
  code: "version_ahead",
  when: ({ clerk, users, state, now }) =>
    clerk.state !== "present" && !isGone(users) && (state?.version ?? 0) > now + believedAheadMilliseconds,
  what: ({ users }) =>
    `Applied is a change of ${users.values.updated_at}, which has not come yet: it does not come from Clerk. Either a webhook secret leaked, or a clock was wrong.`,
  remedy: () =>
    "The next event of this user is believed again. To have it right now set CLERK_SECRET_KEY and resync the user; docs/secret-leaked.md says how to find others.",
};

/** What a person does about an address or number that another Auth user holds. */
export const heldRemedy =
  "In Supabase's dashboard, Authentication, Users, look for the user with this address or number. Delete that user or change the address there, then resync this user. Is nobody shown? An identity of another user, another audience or an address with capitals holds it: look in auth.identities and auth.users. AUTH_ADOPT=on takes over such users before they have a mirror.";

/** The row is right, or nobody says otherwise; Supabase Auth is another matter. */
export const authRules: readonly UserRule[] = [
  {
    code: "auth_unanswered",
    when: ({ auth }) => auth.state === "unknown",
    what: ({ auth }) => `The row is right, but Supabase Auth has not answered: ${auth.reason ?? ""}`,
    remedy: () => "Ask again. If it stays so, check SUPABASE_URL and the secret key.",
  },
  {
    code: "auth_skipped",
    inStep: true,
    when: ({ auth, users }) =>
      auth.state === "absent" && users.state === "present" && users.values.email === null && !users.values.phone,
    what: () => "The row is right. Supabase Auth has nobody without an address and a number.",
    remedy: () => "Nothing is to be done.",
  },
  {
    code: "auth_missing",
    when: ({ auth, users }) => auth.state === "absent" && users.state === "present",
    what: () =>
      "The row is right, but Supabase Auth does not have the user: deleted there, or the mirror was off when they came.",
    remedy: () => "Resync the user: they are made there again.",
  },
  {
    code: "auth_address_held",
    when: ({ auth, state }) => auth.state === "present" && state?.auth_finding === "auth_address_held",
    what: () =>
      "The row is right. In Supabase Auth another user holds the address or number, so that this user has a placeholder there.",
    remedy: () => heldRemedy,
  },
  {
    code: "auth_behind",
    // Users may edit their name here; without Clerk's answer nobody can tell it from a mirror that is behind.
    when: ({ auth, clerk, difference, differences }) =>
      auth.state === "present" &&
      (difference?.kind === "unmirrored" || differences.some((field) => field !== "name" || clerk.state === "present")),
    what: ({ differences }) =>
      `The row is right, but Supabase Auth has other values (${differences.join(", ") || "an older version"}).`,
    remedy: () => "Resync the user: the mirror is written again.",
  },
];

/** No row, or one that is only kept (DELETE_MODE=soft). */
export function isGone({ state, reason }: UserFacts["users"]): boolean {
  return state === "absent" || reason === "deleted_at is set.";
}
