/** What was entered, and the page that it leads to where nothing is found. */
export type SearchTarget =
  /** A Clerk id or its beginning. Its page says why a user is missing. */
  | { kind: "user"; path: string }
  | { kind: "job"; id: string; path: string }
  /** An id of an event, or of a record of Clerk's that is no user: the jobs that carry it. */
  | { kind: "event"; path: string }
  /** What the columns of users hold. */
  | { kind: "text"; path: string };

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Clerk's ids have 27 characters after the prefix; a role's key or a username is shorter. */
const recordId = /^(org|orgmem|orginv|role|perm)_[a-z0-9]{20,}$/i;

/** Tells ids from texts. Null: nothing was entered. */
export function findTarget(entered: string): SearchTarget | null {
  const text = entered.trim();
  if (text === "") return null;
  if (/^user_[a-z0-9_]+$/i.test(text)) return { kind: "user", path: `/users/${text}` };
  if (uuid.test(text)) return { kind: "job", id: text.toLowerCase(), path: listPath("jobs", text) };
  if (/^msg_\S+$/i.test(text) || recordId.test(text)) return { kind: "event", path: listPath("jobs", text) };
  return { kind: "text", path: listPath("users", text) };
}

/** The list of those that a search finds. */
export function listPath(of: "jobs" | "users", text: string): string {
  return `/${of}?q=${encodeURIComponent(text)}`;
}
