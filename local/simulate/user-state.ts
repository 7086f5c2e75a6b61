import { drawId, type Random } from "./random.ts";

export type SimulatedEmail = { id: string; address: string; createdAt: number };

/** One user at Clerk at one moment. Never changed in place: each event keeps its own. */
export type UserState = {
  id: string;
  createdAt: number;
  firstName: string | null;
  lastName: string | null;
  username: string | null;
  externalId: string | null;
  emails: readonly SimulatedEmail[];
  primaryEmailId: string | null;
  /** How many addresses the user has had, so that the next is one nobody had. */
  emailsEver: number;
  phone: { id: string; number: string } | null;
  /** A linked Google account: its identification and the address it came with. */
  google: { id: string; address: string } | null;
  hasPassword: boolean;
  banned: boolean;
  locked: boolean;
  /** public_metadata.role, the one that counts. */
  role: string | null;
  /** unsafe_metadata.role, written by the user, which must not count. */
  claimedRole: string | null;
};

/** A user of whom nothing is known but the id. */
export function emptyUser(id: string, createdAt: number): UserState {
  return {
    id,
    createdAt,
    firstName: null,
    lastName: null,
    username: null,
    externalId: null,
    emails: [],
    primaryEmailId: null,
    emailsEver: 0,
    phone: null,
    google: null,
    hasPassword: false,
    banned: false,
    locked: false,
    role: null,
    claimedRole: null,
  };
}

/** What a user is drawn from: whose it is, and the stream of its choices. */
export type UserDraw = {
  /** Names the user in ids: scenario key and number. */
  key: string;
  /** Names the user in addresses: tag of the scenario and number. */
  tag: string;
  number: number;
  random: Random;
};

/** The n-th address this user ever has. */
export function drawEmail(draw: UserDraw, n: number, createdAt: number): SimulatedEmail {
  const address = `user${draw.number}.${n}.${draw.tag}@example.com`;
  return { id: drawId("idn", `${draw.key}/email/${n}`), address, createdAt };
}
