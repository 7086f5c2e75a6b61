import type { Edit, Mutation } from "./mutations.ts";

const usersSql = "supabase/schemas/04_users.sql";
const jobsSql = "supabase/schemas/04_jobs.sql";
const acceptSql = "supabase/schemas/11_accept.sql";
const file = (name: string) => `tests/integration/${name}.test.ts`;

const plain = (find: string, replace: string): Edit => ({
  file: usersSql,
  within: "clerk_sync.apply_users",
  find,
  replace,
});

const move = (find: string, replace: string): Edit => ({
  file: jobsSql,
  within: "clerk_sync.move_jobs",
  find,
  replace,
});

/** What apply_users leaves to apply_disputed, and how move_jobs counts attempts; each with the line that upholds it. */
export const applyRules: readonly Mutation[] = [
  {
    test: file("webhook/accept"),
    title: "a late event does not overwrite a newer one, nor revive a deleted user",
    edits: [plain("      where r.version <= excluded.version\n", "      where true\n")],
  },
  {
    test: file("webhook/accept"),
    title: "a late event does not overwrite a newer one, nor revive a deleted user",
    edits: [plain("        and r.deleted_at is null\n", "")],
  },
  {
    test: file("worker/versions"),
    title:
      "an event from the future, applied by a worker > is replaced by an event that is newer than its arrival, and its user is read all the same",
    edits: [plain("        and r.trusted_version is null\n", "")],
  },
  {
    test: file("webhook/trimmed-events"),
    title: "a trimmed user.updated > is settled by the next event that carries everything",
    edits: [plain("        and r.absent_version is null\n", "")],
  },
  {
    test: file("webhook/accept"),
    title: "a user whom a worker has in hand is left to it",
    edits: [plain("    for update skip locked\n", "    for update\n")],
  },
  {
    test: file("webhook/accept"),
    title: "an address that two users claim is left to a worker, and the other events of the call are applied",
    edits: [plain("s.claims = 1\n", "true\n")],
  },
  {
    test: file("worker/emails"),
    title: "the newest claim takes an address, and the older holder is marked for a refresh",
    edits: [
      plain("where u.email = s.email), s.clerk_id) = s.clerk_id", "where u.email = s.email), s.clerk_id) is not null"),
    ],
  },
  {
    test: file("worker/emails"),
    title: "when the holder is no longer verified, the user whose claim was withheld is read again",
    edits: [
      plain(
        "select (u.email is not distinct from s.email and (s.payload ->> 'email_verified')::boolean)",
        "select (u.email is not distinct from s.email)",
      ),
    ],
  },
  {
    test: file("worker/emails"),
    title: "when the holder takes another address, the user whose claim was withheld is read again",
    edits: [plain("as w where w.withheld_email is not null) then ( --", "as w where false) then ( --")],
  },
  {
    test: file("worker/versions"),
    title:
      "an event from the future, applied after the webhook left it to a worker > gets the time of its arrival as version, and its user is read again",
    edits: [plain("          and e.version <= v_latest + case\n", "          and e.version <= 9e15 + case\n")],
  },
  {
    test: file("webhook/trimmed-events"),
    title: "a trimmed user.updated > is left to a worker by the webhook, and applied alike",
    edits: [plain("not e.payload ? 'absent' -- as absent_fields\n", "true\n")],
  },
  {
    test: file("webhook/accept"),
    title: "a user's own edit between the row and the mirror stays",
    edits: [plain("      and e.applied_at is null\n", ""), plain("r.version >= e.version", "false")],
  },
  {
    test: file("worker/refused-jobs"),
    title: "an event that hangs is stored in the call that was cut, and leaves its company to the worker",
    edits: [
      {
        file: acceptSql,
        within: "clerk_sync.apply_new",
        find: ".runs_alone",
        replace: ".runs_alone and false",
      },
    ],
  },
  {
    test: file("webhook/accept"),
    title: "while the circuit of Supabase Auth is open the row is written and the mirror waits for it",
    edits: [
      {
        file: acceptSql,
        find: "case when p_mirrors and clerk_sync.circuit_is_open('auth') then 'auth' end",
        replace: "null",
      },
    ],
  },
  {
    test: file("worker/retries"),
    title: "a job given back for lack of time keeps its attempts",
    edits: [move("case when p_status = 'PENDING' then j.attempts - 1 else j.attempts end", "j.attempts")],
  },
  {
    test: file("worker/retries"),
    title: "after MAX_ATTEMPTS a job is a dead letter that names the error of every attempt",
    edits: [move("when p_status = 'FAILED' and a.attempts >= j.max_attempts then 'DEAD'", "when false then 'DEAD'")],
  },
  {
    test: file("webhook/accept"),
    title: "with a mirror the row is there and the job waits for a worker, which mirrors it in its first attempt",
    edits: [
      move(
        "when p_status in ('PROCESSING', 'FAILED', 'DEAD') then j.attempts + 1\n",
        "when p_status in ('FAILED', 'DEAD') then j.attempts + 1\n",
      ),
    ],
  },
  {
    test: file("worker/job-history"),
    title: "every change of state is recorded with its time, also one made by hand",
    edits: [
      {
        file: jobsSql,
        within: "clerk_sync.complete_jobs",
        find: "      attempts = j.attempts + (j.status <> 'PROCESSING')::integer,\n",
        replace: "",
      },
    ],
  },
  {
    test: file("worker/refused-jobs"),
    title: "a deletion that a foreign key stops is a dead letter the second time",
    edits: [move("when p_status in ('PROCESSING', 'FAILED', 'DEAD')", "when p_status = 'PROCESSING'")],
  },
  {
    test: file("admin/operate"),
    title: "one dead job tried again starts from zero attempts, and its history stays",
    edits: [move("        when p_starts_over then 0\n", "")],
  },
  ...["dead", "released"].map((outcome) => ({
    test: file("admin/operate"),
    title: `a job in a worker's hand that is cancelled ends as CANCELLED when its attempt ends with ${outcome}`,
    edits: [move("p_status in ('PENDING', 'FAILED', 'DEAD') then 'CANCELLED'", "p_status = 'FAILED' then 'CANCELLED'")],
  })),
  {
    test: file("admin/operate"),
    title: "a job in a worker's hand that is cancelled ends as CANCELLED when its attempt ends with retry",
    edits: [
      move("when p_status = 'CANCELLED' and j.status = 'PROCESSING' then 'PROCESSING'", "when false then 'PROCESSING'"),
    ],
  },
  {
    test: file("mapping/apply-tables"),
    title: "rows from before without a Clerk id > are left alone, and named, when the row of the user was linked",
    edits: [
      {
        file: "mapping/generate-users.ts",
        find: "(select r.row_made_at from clerk_sync.records as r where r.id = v_link.clerk_id) is null\n",
        replace: "false\n",
      },
    ],
  },
];
