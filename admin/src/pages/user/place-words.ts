import type { ComparedField, Place } from "#core/admin-users-contract.ts";

export const places = [
  { key: "clerk", name: "Clerk" },
  { key: "users", name: "users" },
  { key: "auth", name: "Supabase Auth" },
] as const;

export const fieldWords: Readonly<Record<ComparedField, string>> = {
  email: "Email",
  name: "Name",
  role: "Role",
  phone: "Phone",
  banned: "Banned",
  updated_at: "Changed",
};

/** A field of a place as text: a dash where the place does not have the field, "none" where it is empty. */
export function showValue({ state, values }: Place, field: ComparedField, formatTime: (at: string) => string): string {
  const value = values[field];
  if (state !== "present" || value === undefined) return "–";
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return field === "updated_at" ? formatTime(value) : value;
}
