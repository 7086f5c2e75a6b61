import { z } from "zod";
import { isStorable } from "../sanitise.ts";
import { toMilliseconds } from "./clerk-values.ts";
import { type ClerkUser, parseUser } from "./parse-event.ts";

/** One user of a page; version and createdAt are Unix milliseconds, 0 when Clerk does not say. */
export type PageUser = { version: number; createdAt: number; user: ClerkUser };

export type UserPage = {
  users: PageUser[];
  /** Ids of users that could not be read; an id that could not be read either is "unknown". */
  unreadable: string[];
  /** The last user of the page, from where the next one starts; null when the page is empty. */
  last: { id: string; createdAt: number } | null;
};

const placeSchema = z.object({
  id: z.string().min(1).max(255).refine(isStorable),
  created_at: z.number().nullish().catch(null),
});

/**
 * Reads a list of users item by item: one that cannot be read is named and costs the others nothing, one that is
 * listed twice comes once.
 * Throws when it is no list, or when nothing of it says where the next page starts.
 */
export function parsePage(body: unknown): UserPage {
  const items = z.array(z.unknown()).parse(body);
  const users = new Map<string, PageUser>();
  const page: UserPage = { users: [], unreadable: [], last: null };
  for (const item of items) {
    const user = readItem(item);
    if (typeof user === "string") page.unreadable.push(user);
    else users.set(user.user.id, user);
    page.last = placeOf(item) ?? page.last;
  }
  page.users.push(...users.values());
  if (items.length > 0 && page.last === null) throw new Error("a page of users without any id");
  return page;
}

function readItem(item: unknown): PageUser | string {
  try {
    const user = parseUser(item);
    return { version: toMilliseconds(user.updated_at), createdAt: toMilliseconds(user.created_at), user };
  } catch {
    return placeOf(item)?.id ?? "unknown"; // its reason may quote what is in it
  }
}

function placeOf(item: unknown): UserPage["last"] {
  const place = placeSchema.safeParse(item);
  return place.success ? { id: place.data.id, createdAt: toMilliseconds(place.data.created_at) } : null;
}
