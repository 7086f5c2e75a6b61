export type SearchTarget =
  | { kind: "user"; path: string }
  /** A job if there is one of this id, else a list. */
  | { kind: "job"; id: string; path: string }
  /** A list; its only entry if there is one. */
  | { kind: "list"; of: "jobs" | "users"; path: string };

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Where what was entered leads: a Clerk id to the user, a job id to the job, an email to users, all else to jobs. */
export function findTarget(entered: string): SearchTarget | null {
  const text = entered.trim();
  if (text === "") return null;
  const query = `?q=${encodeURIComponent(text)}`;
  if (/^user_[a-z0-9]+$/i.test(text)) return { kind: "user", path: `/users/${text}` };
  if (uuid.test(text)) return { kind: "job", id: text.toLowerCase(), path: `/jobs${query}` };
  if (text.includes("@")) return { kind: "list", of: "users", path: `/users${query}` };
  return { kind: "list", of: "jobs", path: `/jobs${query}` };
}
