import type { History } from "./draw-history.ts";
import { imageUrl } from "./user-snapshot.ts";
import type { UserState } from "./user-state.ts";

/** What Clerk says of a user, by the sources of the configuration; a source that is not here is not checked. */
export type SaidByClerk = Readonly<Record<string, string | boolean | null>>;

/** What must be true of a user in the database once everything that happened has arrived. */
export type ExpectedUser = { clerkId: string; deleted: boolean; said: SaidByClerk };

/**
 * Reads the final state off a history, in whatever order it is given. Written from the rules and not from the
 * core's code, which it is there to check.
 */
export function expectUser(history: History): ExpectedUser {
  const last = history.reduce((latest, happening) => (happening.at > latest.at ? happening : latest));
  const { user } = last;
  const deleted = history.some((happening) => happening.type === "user.deleted");
  return { clerkId: user.id, deleted, said: sayOf(user) };
}

function sayOf(user: UserState): SaidByClerk {
  const email = user.emails.find(({ id }) => id === user.primaryEmailId)?.address ?? null;
  const [first, last] = [textOf(user.firstName), textOf(user.lastName)];
  return {
    id: user.id,
    email,
    phone: user.phone?.number ?? null,
    username: textOf(user.username),
    first_name: first,
    last_name: last,
    name: [first, last].filter((part) => part !== null).join(" ") || null,
    image_url: imageUrl,
    has_image: user.google !== null,
    external_id: user.externalId,
    locale: null,
    banned: user.banned,
    locked: user.locked,
    deprovisioned: false,
    "public_metadata.role": user.role,
  };
}

function textOf(text: string | null): string | null {
  return text?.trim() || null;
}
