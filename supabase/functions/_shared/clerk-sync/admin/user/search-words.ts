import type { StoredUserPage } from "../contract/users.ts";

/** What a search for this text left out, in a sentence; null when there is nothing to say, or the text said whom it means. */
export function describeSearch(q: string, { users, search }: StoredUserPage): string | null {
  if (search === null || q.startsWith("user_")) return null;
  if (q.includes("@") && users.length > 0) return null;
  const names = search.not_searched.map(({ name }) => name);
  const sentences = [
    ...(search.is_cut ? ["More rows hold this text than are listed."] : []),
    ...(names.length === 0
      ? []
      : [`Not searched, because ${names.length === 1 ? "it has" : "they have"} no index: ${names.join(", ")}.`]),
  ];
  return sentences.length === 0 ? null : sentences.join(" ");
}
