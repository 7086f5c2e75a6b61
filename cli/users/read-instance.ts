import type { ClerkApi } from "#core/clerk/clerk-api.ts";
import { mapUser } from "#core/clerk/map-user.ts";
import { cursorAfter, readNextPage } from "#core/reconcile/read-next-page.ts";
import type { Run } from "#core/reconcile/runs-database.ts";

/** By what rows and users are matched. */
export type MatchBy = "email" | "external_id";

/** The users of a Clerk instance, as far as rows are matched with them. */
export type Instance = {
  /** The ids of all its users, also of those that could not be read. */
  ids: ReadonlySet<string>;
  /** By verified address in lower case, or by external id: the ids of the users who have it. */
  matches: ReadonlyMap<string, readonly string[]>;
};

const fields = new Set(["email", "external_id"] as const);

/** Reads all users of the instance, page by page. Throws what the calls of ClerkApi throw. */
export async function readInstance(clerk: ClerkApi, by: MatchBy): Promise<Instance> {
  const ids = new Set<string>();
  const matches = new Map<string, string[]>();
  const place: Pick<Run, "cursor" | "users_at_clerk"> = { cursor: {}, users_at_clerk: await clerk.countUsers() };
  for (;;) {
    const page = await readNextPage(clerk, place);
    if (page === null) return { ids, matches };
    place.cursor = cursorAfter(page, place);
    for (const id of page.unreadable) ids.add(id);
    for (const { user } of page.users) {
      if (ids.has(user.id)) continue; // pages may overlap
      ids.add(user.id);
      const said = mapUser(user, fields);
      const key = by === "email" ? (said.email_verified ? said.email?.toLowerCase() : null) : said.external_id;
      if (key) matches.set(key, [...(matches.get(key) ?? []), user.id]);
    }
  }
}
