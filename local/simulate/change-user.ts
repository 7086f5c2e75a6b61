import { withName } from "./new-user.ts";
import { drawEmail, type UserDraw, type UserState } from "./user-state.ts";

type Change = (user: UserState, draw: UserDraw, at: number) => UserState;

/** "owner" and "superuser" are roles nobody knows here; null takes the role away. */
const roles = ["user", "admin", "admin", "owner", "superuser", null] as const;

const changes: readonly [Change, ...Change[]] = [
  withName,
  withName,
  changeEmail,
  changeEmail,
  (user, draw) => ({ ...user, role: draw.random.pick(roles) }),
  (user, draw) => ({ ...user, role: draw.random.pick(roles) }),
  (user) => ({ ...user, claimedRole: "admin" }),
  (user) => ({ ...user, banned: !user.banned }),
  (user) => ({ ...user, locked: !user.locked }),
];

/** Draws what happens next to a user; the answer is the whole user after it. */
export function changeUser(user: UserState, draw: UserDraw, at: number): UserState {
  return draw.random.pick(changes)(user, draw, at);
}

/** Adds an address nobody had and makes it primary; the others stay, behind it or before it, or go. */
function changeEmail(user: UserState, draw: UserDraw, at: number): UserState {
  const email = drawEmail(draw, user.emailsEver, at);
  const kept = draw.random.chance(50) ? user.emails.slice(-3) : [];
  const emails = draw.random.chance(50) ? [email, ...kept] : [...kept, email];
  return { ...user, emails, emailsEver: user.emailsEver + 1, primaryEmailId: email.id };
}
