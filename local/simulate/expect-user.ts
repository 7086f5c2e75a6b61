import type { History } from "./draw-history.ts";
import type { UserState } from "./user-state.ts";

/** What must be true of a user in the database once everything that happened has arrived. */
export type ExpectedUser = {
  clerkId: string;
  deleted: boolean;
  email: string | null;
  name: string | null;
  role: string;
};

const knownRoles = new Set(["user", "admin"]);

/**
 * Reads the final state off a history, in whatever order it is given. Written from the rules and not from the
 * core's code, which it is there to check.
 */
export function expectUser(history: History): ExpectedUser {
  const last = history.reduce((latest, happening) => (happening.at > latest.at ? happening : latest));
  const { user } = last;
  return {
    clerkId: user.id,
    deleted: history.some((happening) => happening.type === "user.deleted"),
    email: user.emails.find((email) => email.id === user.primaryEmailId)?.address ?? null,
    name: expectName(user),
    role: user.role !== null && knownRoles.has(user.role) ? user.role : "user",
  };
}

function expectName({ firstName, lastName }: UserState): string | null {
  const name = `${firstName?.trim() ?? ""} ${lastName?.trim() ?? ""}`.trim();
  return name === "" ? null : name;
}
