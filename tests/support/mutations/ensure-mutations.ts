import type { Mutation } from "./mutations.ts";

const core = "supabase/functions/_shared/clerk-sync";
const usersSql = "supabase/schemas/04_users.sql";
const recordsSql = "supabase/schemas/03_records.sql";
const acceptSql = "supabase/schemas/11_accept.sql";

const rows = (title: string, find: string, replace = "", file = acceptSql): Mutation => ({
  test: "tests/integration/ensure-user/ensure-user.test.ts",
  title,
  edits: [{ file, find, replace }],
});

const races = (title: string, find: string, replace = "", file = acceptSql): Mutation => ({
  test: "tests/integration/ensure-user/ensure-user-races.test.ts",
  title,
  edits: [{ file, find, replace }],
});

const unit = (name: string, title: string, find: string, replace = "", test = name): Mutation => ({
  test: `${core}/${test}.test.ts`,
  title,
  edits: [{ file: `${core}/${name}.ts`, find, replace }],
});

const tokens = (title: string, find: string, replace = "") => unit("clerk/verify-session-token", title, find, replace);

const keys = (title: string, find: string, replace = "") => unit("clerk/session-keys", title, find, replace);

/** What ensure-user promises, each with the line that keeps the promise. */
export const ensurePromises: readonly Mutation[] = [
  rows(
    "a column that users may not read is not in the answer",
    "and has_column_privilege('authenticated', 'public.users', c.key, 'select')",
    "",
    usersSql,
  ),
  rows(
    "a missing row is made from Clerk's API in one transaction with its job, and the mirror is owed to the queue",
    "    perform clerk_sync.queue_mirror(array[p_clerk_id], 'ensure', p_now);\n",
    "    null;\n",
  ),
  rows(
    "a row the table refuses is pending; its one job says why, however often it is asked for, and is tried again",
    "format('ensure_%s_%s', p_clerk_id, p_version)",
    "format('ensure_%s_%s', p_clerk_id, gen_random_uuid())",
  ),
  rows(
    "a row that somebody deleted by hand is made again, at the same version too",
    "j.id = v_id and j.status <> 'PROCESSING'",
    "j.id = v_id and j.status = 'DEAD'",
  ),
  rows(
    "the time of the sign-up counts for the delete brake, as if a webhook had brought the user",
    "lock_records(array[p_clerk_id], 'user', (p_payload ->> 'created_at')::timestamptz)",
    "lock_records(array[p_clerk_id])",
  ),
  races(
    "while a worker's batch with the user is not committed, the call waits and answers the worker's row",
    "  perform pg_advisory_xact_lock(hashtextextended(i, 7461203)) from unnest(v_unseen) as i;\n",
    "",
    recordsSql,
  ),
  races(
    "fifty isolates that ask for one missing user make one row and one mirror job",
    "  if v_own ->> 'state' = 'present' then\n    return v_own;\n  end if;\n",
  ),
  races(
    "a read that began before the deletion was known revives nobody",
    "    'read_at', p_read_at,\n",
    "    'read_at', clock_timestamp(),\n",
  ),
  races(
    "a worker that holds the user for longer than a second is not waited for: the call may be repeated",
    "set lock_timeout = '1s'\n",
  ),
  tokens("refused is a token > of another issuer", "      issuer: options.issuer,\n"),
  tokens("refused is a token > without an end", 'requiredClaims: ["exp", "nbf"]', "requiredClaims: []"),
  tokens("refused is a token > made for another app", "!authorizedParties.includes(azp)", "false"),
  tokens("refused is a token > made from a JWT template for others", "  sid: z.string().min(1),\n"),
  tokens("refused is a token > of a session that is pending", 'sts && sts !== "active"', "false"),
  keys(
    "Clerk's keys > that cannot be reached leave the question open: try again",
    'new SyncError("clerk_unavailable", message, { retryable: true, cause });',
    'new SyncError("session_token_invalid", message, { cause });',
  ),
  keys(
    "while Clerk's keys cannot be fetched > known ones work for a day, and nobody waits for the next try",
    "const keptMilliseconds = 24 * 3_600_000;",
    "const keptMilliseconds = freshMilliseconds;",
  ),
  keys(
    "while Clerk's keys cannot be fetched > a thousand calls make one request in five seconds (keys known: true)",
    "failed: 5000 }",
    "failed: 0 }",
  ),
  unit(
    "ensure-user/ensure-user",
    "a row > is read once for calls that come together, and again for one that comes later",
    "inHand.get(clerkId) ?? ",
  ),
  unit(
    "ensure-user/ensure-user",
    "a deleted user > who is known is left to a refresh",
    'own.state !== "deleted" && ',
    "false && ",
  ),
  unit(
    "http/allow-origin",
    "a page > of https://evil.example gets no header",
    "!origins.includes(origin)",
    "false",
    "ensure-user/handle-ensure-user",
  ),
];
