import { firstNames, lastNames } from "./names.ts";
import { drawId } from "./random.ts";
import { drawEmail, emptyUser, type UserDraw, type UserState } from "./user-state.ts";

export type UserKind = "email" | "several-emails" | "google" | "phone" | "username";

type Draw = (nobody: UserState, draw: UserDraw) => UserState;

const kinds: readonly [UserKind, ...UserKind[]] = [
  "email",
  "email",
  "email",
  "several-emails",
  "google",
  "google",
  "phone",
  "username",
];

const drawKind: Readonly<Record<UserKind, Draw>> = {
  email: (nobody, draw) => withEmails({ ...withName(nobody, draw), hasPassword: true }, draw, 1),
  "several-emails": (nobody, draw) => withEmails({ ...withName(nobody, draw), hasPassword: true }, draw, 3),
  google: (nobody, draw) => ({
    ...withEmails(withName(nobody, draw), draw, 1),
    google: { id: drawId("idn", `${draw.key}/google`), address: drawEmail(draw, 0, nobody.createdAt).address },
  }),
  phone: (nobody, draw) => ({
    ...nobody,
    phone: { id: drawId("idn", `${draw.key}/phone`), number: drawPhone(draw) },
  }),
  username: (nobody, draw) => ({
    ...(draw.random.chance(50) ? withName(nobody, draw) : nobody),
    username: `user${draw.number}_${draw.tag}`,
    hasPassword: true,
  }),
};

/** Draws a user as Clerk has it right after sign-up; without `kind` any kind. */
export function newUser(draw: UserDraw, createdAt: number, kind: UserKind = draw.random.pick(kinds)): UserState {
  const { random } = draw;
  const user = drawKind[kind](emptyUser(drawId("user", draw.key), createdAt), draw);
  return {
    ...user,
    externalId: random.chance(15) ? `legacy-${draw.tag}-${draw.number}` : null,
    role: random.chance(10) ? "admin" : null,
    claimedRole: random.chance(5) ? "admin" : null,
  };
}

/** Draws a first and a last name; in rare cases only one of them. */
export function withName(user: UserState, draw: UserDraw): UserState {
  const { random } = draw;
  const firstName = random.chance(95) ? random.pick(firstNames) : null;
  const lastName = random.chance(85) ? random.pick(lastNames) : null;
  return { ...user, firstName, lastName };
}

/** The last address is the primary one: code that takes the first of several must be caught. */
function withEmails(user: UserState, draw: UserDraw, count: number): UserState {
  const emails = Array.from({ length: count }, (_, n) => drawEmail(draw, n, user.createdAt));
  return { ...user, emails, emailsEver: count, primaryEmailId: emails.at(-1)?.id ?? null };
}

/** 15 digits under the unassigned country code 999: nobody's phone, and one for each of a million users. */
function drawPhone(draw: UserDraw): string {
  const run = Number.parseInt(draw.tag, 36) % 1_000_000;
  const user = draw.number % 1_000_000;
  return `+999${String(run).padStart(6, "0")}${String(user).padStart(6, "0")}`;
}
