import type { ComparedLine, Place, User } from "#core/admin/contract/users.ts";
import type { IconName } from "../../components/icon.tsx";

const keys = ["clerk", "users", "auth"] as const;

/** The places with their names: the table is called as it is in the database. */
export function namePlaces(table: string) {
  const names = { clerk: "Clerk", users: table, auth: "Supabase Auth" };
  return keys.map((key) => ({ key, name: names[key] }));
}

/** What the sync keeps beside the row. */
const fieldWords: Readonly<Record<string, string>> = {
  email: "Email",
  name: "Name",
  role: "Role",
  phone: "Phone",
  banned: "Banned",
  version: "Changed at Clerk",
};

/** A column is called as it is in the table; what no column has, in words. */
export function nameLine({ name, source }: ComparedLine): string {
  return source === null ? (fieldWords[name] ?? name) : name;
}

export type StateWords = { text: string; icon: IconName };

export const stateWords: Readonly<Record<Place["state"], StateWords>> = {
  present: { text: "yes", icon: "check" },
  absent: { text: "no", icon: "close" },
  unknown: { text: "not known", icon: "warning" },
  off: { text: "not asked", icon: "info" },
};

const timeText = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d/;

/** A value of a line as text: a dash where the place does not have the field, "none" where it is empty. */
export function showValue(value: unknown, formatTime: (at: string) => string): string {
  if (value === undefined) return "–";
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "string") return JSON.stringify(value);
  return timeText.test(value) ? formatTime(value) : value;
}

/** Whether one place has the user and another has not, and that is a fault. */
export function presenceDiffers({ verdict, clerk, users, auth }: User): boolean {
  const states = [clerk.state, users.state, auth.state];
  return !verdict.in_step && states.includes("present") && states.includes("absent");
}

/** What can be compared with a masked reading. */
const openFields = ["role", "banned", "updated_at"] as const;

/** Whether values revealed earlier are still what the places have, as far as a masked reading shows. */
export function isStillCurrent(revealed: User, user: User): boolean {
  return sketch(revealed) === sketch(user);
}

function sketch({ clerk_id, differences, ...user }: User): string {
  const seen = keys.map((key) => {
    const { state, id, values } = user[key];
    return [state, id, openFields.map((field) => values[field])];
  });
  return JSON.stringify([clerk_id, differences, seen]);
}
