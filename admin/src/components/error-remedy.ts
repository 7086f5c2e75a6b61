export type Remedy = {
  /** What it means, for somebody who sees it for the first time. */
  what: string;
  remedy: string;
};

/** What to do about the errors a job can carry. docs/errors.md says more. */
const remedies: Readonly<Record<string, Remedy>> = {
  database_rejected: {
    what: "The database refused the row: a constraint, trigger or type of the users table does not take it.",
    remedy: "Read the SQLSTATE and the name in the error, mend the table or the user at Clerk, then retry.",
  },
  database_unavailable: { what: "The database could not be reached.", remedy: "Once it is back, retry." },
  database_timeout: {
    what: "Applying the job took too long, also alone.",
    remedy: "Look for a slow trigger on the users table, or a lock that is held; then retry.",
  },
  delete_blocked: {
    what: "Rows of another table refer to the deleted user, and their foreign key keeps the row.",
    remedy: "Let the foreign key cascade or set null, or set DELETE_MODE=soft; then retry.",
  },
  auth_unavailable: {
    what: "Supabase Auth did not answer, or answered that it is in trouble.",
    remedy: "Look at the project's status. Once Auth is back, retry.",
  },
  auth_rate_limited: { what: "Supabase Auth asked for fewer calls.", remedy: "Wait, then retry." },
  auth_unauthorized: {
    what: "Supabase Auth refused the secret key.",
    remedy: "Set the project's secret key (SUPABASE_SECRET_KEYS), then retry.",
  },
  auth_user_failed: {
    what: "Supabase Auth works, but fails for this user.",
    remedy:
      "Look for NULL in the token columns of the user's row in auth.users, and for a trigger there that raises. Correct it, then retry.",
  },
  auth_rejected: {
    what: "Supabase Auth refused this user.",
    remedy: "The error says which value it does not take. Mend it at Clerk, or turn the mirror off, then retry.",
  },
  auth_address_refused: {
    what: "Supabase Auth does not accept this address or number. All else was written there.",
    remedy: "Correct the address at Clerk; its event mirrors the user again.",
  },
  auth_email_conflict: {
    what: "Another Auth user has this email, and it is not clear that it is the same person.",
    remedy: "Look for that Auth user; delete it or change its email, then retry.",
  },
  clerk_unavailable: { what: "Clerk's API did not answer.", remedy: "Once it is back, retry." },
  clerk_rate_limited: { what: "Clerk's API asked for fewer calls.", remedy: "Wait, then retry." },
  clerk_budget_used: {
    what: "The share of Clerk's rate that this work may take was used up.",
    remedy: "Wait a minute, then retry.",
  },
  clerk_unauthorized: {
    what: "Clerk's API refused the key.",
    remedy: "Set CLERK_SECRET_KEY of this instance, then retry.",
  },
  clerk_user_failed: {
    what: "Clerk's API works, but fails for this user.",
    remedy: "Look the user up in Clerk's dashboard. If it shows the user, retry; if it lasts, ask Clerk.",
  },
  clerk_rejected: { what: "Clerk's API refused the request.", remedy: "Look at the error; when it is mended, retry." },
  clerk_stale: {
    what: "Clerk's API showed an older state of the user than is known here.",
    remedy: "Retry in a minute.",
  },
  user_unknown: {
    what: "The event was a deletion that names no user known here.",
    remedy: "There is nothing to delete. Cancel it.",
  },
  user_ambiguous: {
    what: "The event was a deletion that names its user by an external_id, and several users here have it. None was deleted.",
    remedy: "Search Clerk for the external_id, resync the user who is gone, then cancel it.",
  },
  lease_expired: {
    what: "Its worker died or was too slow, again and again.",
    remedy: "Look whether workers are killed (memory, time limits), then retry.",
  },
  delete_brake: {
    what: "There were too many deletions at once, so they wait for somebody to confirm them.",
    remedy: "Decide on the overview, at the delete brake.",
  },
};

const unknown: Remedy = {
  what: "The error says what happened.",
  remedy: "docs/errors.md explains the code. When the reason is gone, retry.",
};

/** For a job that carries no error at all. */
const silent: Remedy = {
  what: "No error was recorded.",
  remedy: "Read the job's history, then retry it.",
};

/** What stands before the colon of an error. */
export function codeOf(error: string): string {
  return /^[a-z_]+/.exec(error)?.[0] ?? "";
}

export function explainError(error: string): Remedy {
  if (error === "") return silent;
  const code = codeOf(error);
  return (Object.hasOwn(remedies, code) ? remedies[code] : undefined) ?? unknown;
}
