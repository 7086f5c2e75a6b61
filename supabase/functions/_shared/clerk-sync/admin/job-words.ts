import type { Advice, Job } from "./contract/jobs.ts";

// What the API, the page and the command line say about the error of a job. docs/errors.md says more.

const errorWords: Readonly<Record<string, Advice>> = {
  database_rejected: {
    what: "The database refused the row: a constraint, trigger or type of the table of users does not accept it.",
    remedy:
      "Read the SQLSTATE and the name of the constraint in the error. Correct the table, or the user at Clerk. Then retry the job.",
  },
  database_unavailable: {
    what: "The database could not be reached.",
    remedy: "Retry the job when the database is back.",
  },
  database_timeout: {
    what: "Applying the job took too long, even alone.",
    remedy:
      "Look for a slow trigger on the table of users, or for a lock that another transaction holds. Then retry the job.",
  },
  delete_blocked: {
    what: "Rows of another table refer to the deleted user, and their foreign key prevents the deletion.",
    remedy:
      'Change the foreign key to on delete cascade or set null, or delete softly ("delete" in clerk-sync.config.json). Then retry the job.',
  },
  delete_brake: {
    what: "Too many users were deleted within a short time, so the deletions wait for a decision.",
    remedy:
      "Find out whether the deletions are intended. Then decide at the delete brake: apply them, or cancel them and keep the users.",
  },
  auth_unavailable: {
    what: "Supabase Auth did not answer, or it reported a failure.",
    remedy: "Check the status of the Supabase project. Retry the job when Supabase Auth is back.",
  },
  auth_rate_limited: {
    what: "Supabase Auth asked for fewer calls.",
    remedy: "Wait a minute, then retry the job.",
  },
  auth_unauthorized: {
    what: "Supabase Auth refused the secret key.",
    remedy: "Set the project's secret key (SUPABASE_SECRET_KEYS), then retry the job.",
  },
  auth_user_failed: {
    what: "Supabase Auth works, but it fails for this user.",
    remedy:
      "Look for NULL in the token columns of the user's row in auth.users, and for a trigger on that table that raises an error. Correct it, then retry the job.",
  },
  auth_rejected: {
    what: "Supabase Auth refused this user. The error says which value it does not accept.",
    remedy:
      "Correct that value at Clerk or in Supabase Auth. If the error names a constraint or an SQLSTATE, correct your trigger on auth.users. Then retry the job.",
  },
  auth_address_refused: {
    what: "Supabase Auth does not accept this address or number. Everything else was written there.",
    remedy: "Correct the address or number at Clerk. The event of that change mirrors the user again.",
  },
  auth_email_conflict: {
    what: "Another user of Supabase Auth holds this address or number.",
    remedy:
      "Find that user in Supabase's dashboard, Authentication, Users. Delete that user or change the address there. Then retry the job.",
  },
  auth_adopting: {
    what: "Another user of Supabase Auth holds the address and is being taken over (AUTH_ADOPT). That user is locked.",
    remedy: "Wait: the job continues when the last token of that user has expired.",
  },
  clerk_unavailable: {
    what: "Clerk's API did not answer.",
    remedy: "Check status.clerk.com. Retry the job when Clerk's API is back.",
  },
  clerk_rate_limited: {
    what: "Clerk's API asked for fewer calls.",
    remedy: "Wait a minute, then retry the job.",
  },
  clerk_budget_used: {
    what: "The jobs have used their share of the calls that Clerk's API allows.",
    remedy: "Wait a minute, then retry the job.",
  },
  clerk_unauthorized: {
    what: "Clerk's API refused the key.",
    remedy: "Set the CLERK_SECRET_KEY of this Clerk instance, then retry the job.",
  },
  clerk_user_failed: {
    what: "Clerk's API works, but it fails for this user.",
    remedy:
      "Look the user up in Clerk's dashboard. If the dashboard shows the user, retry the job. If the error stays, ask Clerk.",
  },
  clerk_rejected: {
    what: "Clerk's API refused the request. The error holds Clerk's own code.",
    remedy: "Check that CLERK_SECRET_KEY belongs to the Clerk instance of this user, then retry the job.",
  },
  clerk_stale: {
    what: "Clerk's API returned an older state of the user than an event brought before.",
    remedy: "Wait a minute, then retry the job.",
  },
  clerk_other_instance: {
    what: "Clerk's API does not know this user, whom clerk-sync users relink read there. The user was not deleted.",
    remedy: "Set the CLERK_SECRET_KEY of the new Clerk instance where jobs are processed, then retry the job.",
  },
  user_unknown: {
    what: "The deletion names no user that is known here, so nothing was deleted.",
    remedy: "Find out at Clerk which user is gone and resync that user. Then cancel the job.",
  },
  record_unknown: {
    what: "The event does not say which organization, membership, role or invitation it is about, or a membership does not say whose it is.",
    remedy:
      "Look for a transformation at the sender that takes fields out of events. Run a compare, then cancel the job.",
  },
  user_ambiguous: {
    what: "The deletion names its user by an external_id that several users have. None of them was deleted.",
    remedy: "Search Clerk for the external_id and resync the user who is gone. Then cancel the job.",
  },
  lease_expired: {
    what: "The worker stopped or was too slow, at every attempt.",
    remedy: "Check whether workers are killed (memory, time limits), then retry the job.",
  },
};

const unknownError: Advice = {
  what: "The error says what happened.",
  remedy: "Correct what the error names, then retry the job. docs/errors.md explains the code.",
};

const noError: Advice = {
  what: "No error was recorded.",
  remedy: "Read the history of the job, then retry it.",
};

const services = { auth: "Supabase Auth", clerk: "Clerk's API" } as const;

/** The service behind a circuit, as people name it. */
export function nameService(circuit: string): string {
  return Object.hasOwn(services, circuit) ? services[circuit as keyof typeof services] : circuit;
}

/** The code of an error: the word before the colon or the SQLSTATE. */
export function codeOf(error: string | null | undefined): string {
  return /^[a-z_]+/.exec(error ?? "")?.[0] ?? "";
}

/** Returns what an error means and what to do about it. */
export function explainError(error: string | null | undefined): Advice {
  if (!error) return noError;
  const code = codeOf(error);
  return (Object.hasOwn(errorWords, code) ? errorWords[code] : undefined) ?? unknownError;
}

/** Returns what keeps a job from its end and what to do about it; null when nothing does. */
export function explainJob({
  status,
  error,
  waits_for,
  cancel_requested_at,
}: Pick<Job, "status" | "error" | "waits_for" | "cancel_requested_at">): Advice | null {
  if (cancel_requested_at !== null) {
    return {
      what: "The job is being cancelled.",
      remedy: "Wait until the current attempt ends. The job is not tried again after it.",
    };
  }
  if (waits_for !== null) {
    return {
      what: `The job waits for ${nameService(waits_for)}, because calls there failed.`,
      remedy:
        "Nothing is lost: the job continues when calls succeed again. If a key was wrong, correct it, then reset the circuit.",
    };
  }
  return error === null && status !== "DEAD" ? null : explainError(error);
}
