import type { ComparedField, Place, User } from "#core/admin/contract/users.ts";
import type { IconName } from "../../components/icon.tsx";

export const places = [
  { key: "clerk", name: "Clerk" },
  { key: "users", name: "users table" },
  { key: "auth", name: "Supabase Auth" },
] as const;

export const fieldWords: Readonly<Record<ComparedField, string>> = {
  email: "Email",
  name: "Name",
  role: "Role",
  phone: "Phone",
  banned: "Banned",
  updated_at: "Changed at Clerk",
};

export type StateWords = { text: string; icon: IconName };

export const stateWords: Readonly<Record<Place["state"], StateWords>> = {
  present: { text: "yes", icon: "check" },
  absent: { text: "no", icon: "close" },
  unknown: { text: "not known", icon: "warning" },
  off: { text: "not asked", icon: "info" },
};

/** A field of a place as text: a dash where the place does not have the field, "none" where it is empty. */
export function showValue({ state, values }: Place, field: ComparedField, formatTime: (at: string) => string): string {
  const value = values[field];
  if (state !== "present" || value === undefined) return "–";
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return field === "updated_at" ? formatTime(value) : value;
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
  const seen = places.map(({ key }) => {
    const { state, id, values } = user[key];
    return [state, id, openFields.map((field) => values[field])];
  });
  return JSON.stringify([clerk_id, differences, seen]);
}
