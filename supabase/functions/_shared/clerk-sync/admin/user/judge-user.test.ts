import { describe, expect, it } from "vitest";
import type { JobSummary } from "../contract/jobs.ts";
import type { Place, UserState } from "../contract/users.ts";
import { judgeUser } from "./judge-user.ts";
import type { UserFacts } from "./user-facts.ts";
import { explainIgnored, explainUnlinked, verdictWords } from "./user-words.ts";

const now = Date.parse("2026-11-25T12:00:00Z");
const at = "2026-11-25T11:59:30Z";
const values = { email: "a@example.com", name: "Ada", role: "user", phone: null, banned: false, updated_at: at };
const present: Place = { state: "present", reason: null, id: "1", values };
const absent: Place = { state: "absent", reason: null, id: null, values: {} };
const off: Place = { ...absent, state: "off" };
const unknown: Place = { ...absent, state: "unknown", reason: "clerk_unavailable: no answer" };
const withoutEmail: Place = { ...present, values: { ...values, email: null } };
const state: UserState = {
  version: 1,
  deleted_at: null,
  synced_at: at,
  mirrored_version: 1,
  auth_finding: null,
  auth_user_id: "1",
  refresh_due_at: null,
  refresh_reason: null,
  ignored: null,
  unlinked_row: null,
};
const tombstone: UserState = { ...state, deleted_at: at };

function job(changes: Partial<JobSummary>): JobSummary {
  return {
    id: crypto.randomUUID(),
    job_type: "USER_UPDATED",
    status: "COMPLETED",
    source: "webhook",
    clerk_id: "user_1",
    event_id: "msg_1",
    version: 1,
    priority: 1,
    attempts: 1,
    max_attempts: 15,
    error: null,
    created_at: at,
    updated_at: at,
    run_at: at,
    processed_at: at,
    lease_until: null,
    cancel_requested_at: null,
    waits_for: null,
    ...changes,
  };
}

const done = job({});
const dead = job({ status: "DEAD", error: "auth_email_conflict: Another Auth user holds this email or phone." });
const failed = job({ status: "FAILED", error: "internal: x" });
const waiting = job({ status: "PENDING", waits_for: "auth" });
const held = job({ status: "PENDING", job_type: "USER_DELETED", error: "delete_brake: 120 deletions" });
const late = job({ status: "PENDING", run_at: "2026-11-25T11:50:00Z" });
const pending = job({ status: "PENDING" });
const cancelled = job({ status: "CANCELLED" });
const differs = (kind: "stale" | "differs" | "edited" | "unmirrored") => ({
  clerk_id: "user_1",
  kind,
  fields: ["name"],
});

const inStep: UserFacts = {
  table: "public.profiles",
  nameColumn: "full_name",
  clerk: present,
  users: present,
  auth: present,
  isRowKept: false,
  state,
  jobs: [done],
  circuits: [
    { name: "auth", state: "open", since: at, failures: 5, next_probe: at, last_error: "auth_unavailable", waiting: 1 },
  ],
  brake: { engaged_at: at, reason: "120 deletions within 60 minutes", released_at: null, waiting: 120 },
  difference: null,
  differences: [],
  emailHolder: null,
  now,
};
const judge = (facts: Partial<UserFacts>) => judgeUser({ ...inStep, ...facts });
const gone = { users: absent, auth: absent };

describe.each<[code: string, facts: Partial<UserFacts>, job?: JobSummary]>([
  ["dead_letter", { jobs: [dead] }, dead],
  ["dead_letter", { jobs: [pending, dead, done], users: absent }, dead],
  ["delete_brake", { jobs: [held], clerk: absent }, held],
  ["circuit_open", { jobs: [waiting, done] }, waiting],
  ["waiting_retry", { jobs: [failed, done] }, failed],
  ["queue_late", { jobs: [late], users: absent }, late],
  ["under_way", { jobs: [pending], users: absent }, pending],
  ["under_way", { jobs: [job({ status: "PROCESSING" })] }],
  ["refresh_due", { state: { ...state, refresh_due_at: at, refresh_reason: "email_taken" } }],
  ["version_ahead", { difference: { clerk_id: "user_1", kind: "ahead", fields: [] } }],
  ["version_ahead", { clerk: off, state: { ...state, version: now + 300_001 } }],
  ["cancelled", { jobs: [cancelled], ...gone }, cancelled],
  ["row_not_at_clerk", { clerk: absent }],
  ["auth_left_over", { clerk: absent, users: absent, state: tombstone }],
  ["tombstone", { ...gone, state: tombstone }],
  ["tombstone", { isRowKept: true, auth: absent, state: tombstone }],
  ["never_delivered", { ...gone, state: null, jobs: [] }],
  ["row_missing", gone],
  ["email_held", { users: withoutEmail, emailHolder: "user_2", difference: differs("differs") }],
  ["stale", { difference: differs("stale"), differences: ["name", "updated_at"] }],
  ["row_differs", { difference: differs("differs"), differences: ["role"] }],
  ["clerk_unanswered", { clerk: unknown, differences: ["name"] }],
  ["never_seen", { clerk: off, ...gone, state: null, jobs: [] }],
  ["row_missing", { clerk: off, ...gone }],
  ["auth_unanswered", { auth: { ...unknown, reason: "auth_unavailable: no answer" } }],
  ["auth_missing", { auth: absent, difference: differs("unmirrored") }],
  ["auth_behind", { difference: differs("unmirrored"), differences: ["updated_at"] }],
  ["auth_behind", { differences: ["name"] }],
])("%s", (code, facts, expected) => {
  const verdict = judge(facts);

  it("is what keeps this user out of step", () => {
    expect(verdict).toMatchObject({ code, in_step: false, title: verdictWords[verdict.code].title });
    if (expected !== undefined) expect(verdict.job_id).toBe(expected.id);
  });

  it("says in whole sentences what is wrong and what to do", () => {
    for (const text of [verdict.what, verdict.remedy]) {
      expect(text).toMatch(/^[A-Z].{10,}/);
      expect(text).not.toMatch(/undefined|null|NaN/);
    }
  });
});

describe.each<[code: string, facts: Partial<UserFacts>]>([
  ["in_step", {}],
  ["in_step", { auth: off }],
  ["in_step", { clerk: off }],
  ["in_step", { clerk: off, differences: ["full_name"] }],
  ["in_step", { jobs: [done, dead] }],
  ["in_step", { jobs: [cancelled, done] }],
  ["edited", { difference: differs("edited"), differences: ["name"] }],
  ["in_step", { users: { ...present, values: { role: "user" } } }],
  ["auth_skipped", { clerk: withoutEmail, users: withoutEmail, auth: absent }],
  ["unknown_user", { clerk: absent, ...gone, state: null, jobs: [] }],
  ["deleted", { clerk: absent, ...gone, state: tombstone }],
  ["deleted", { clerk: absent, isRowKept: true, auth: absent, state: tombstone }],
  ["deleted", { clerk: off, ...gone, state: tombstone }],
])("%s", (code, facts) => {
  it("is in step", () => {
    expect(judge(facts)).toMatchObject({ code, in_step: true, job_id: null });
  });
});

it("a dead letter says what to do about its error, and names the job's error when nobody knows it", () => {
  expect(judge({ jobs: [dead] }).remedy).toContain("Authentication, Users");
  expect(judge({ jobs: [{ ...dead, error: "new_code: x" }] })).toMatchObject({
    what: expect.stringContaining("new_code: x"),
    remedy: "Correct what the error names, then retry the job. docs/errors.md explains the code.",
  });
});

it("an error ends with one full stop", () => {
  expect(judge({ jobs: [failed] }).what).toContain("internal: x. The next one");
  expect(judge({ jobs: [{ ...failed, error: "internal: x." }] }).what).toContain("internal: x. The next one");
});

it("one attempt is told as one", () => {
  expect(judge({ jobs: [dead] }).what).toContain("after 1 attempt:");
  expect(judge({ jobs: [{ ...dead, attempts: 15 }] }).what).toContain("after 15 attempts:");
});

it("who holds the address is named, and that nobody is known as well", () => {
  const held = judge({ users: withoutEmail, emailHolder: "user_2" });
  expect(held).toMatchObject({ what: expect.stringContaining("user_2"), other_clerk_id: "user_2" });
  expect(judge({ users: withoutEmail })).toMatchObject({
    what: expect.stringContaining("without a Clerk id"),
    other_clerk_id: null,
  });
});

it("no title is that of another verdict", () => {
  const titles = Object.values(verdictWords).map(({ title }) => title);
  expect(new Set(titles).size).toBe(titles.length);
});

it("an ignored value is explained by what stands at Clerk", () => {
  expect(explainIgnored({ ignored: { role: "array", plan: "text" } })).toBe(
    "The column role ignores what Clerk has: it is of the type array, and not a text. The column has its default. " +
      "The column plan ignores what Clerk has: it is a text that is not among the allowed values. The column has its default.",
  );
  expect([explainIgnored({ ignored: null }), explainIgnored(null)]).toEqual([null, null]);
});

it("a row that was not linked is named with the user's row and the command that links it", () => {
  const row = { id: "7", email: null, name: null, role: null, deleted_at: null };
  const user = { clerk_id: "user_1", table: "public.profiles", row, state: { ...state, unlinked_row: "3" } };
  expect(explainUnlinked(user)).toBe(
    "Row 3 of public.profiles has the address of this user and no Clerk id. " +
      "It was not linked, because rows of other tables may reference row 7, which is the user's. " +
      "clerk-sync users link user_1 --row 3 shows what belongs to each row, and links row 3.",
  );
  expect([explainUnlinked({ ...user, state }), explainUnlinked({ ...user, state: null })]).toEqual([null, null]);
});

it("the mapped table is named", () => {
  expect(judge({}).what).toContain("Clerk and public.profiles agree");
  expect(judge({ users: withoutEmail }).remedy).toContain("the row of public.profiles with this address");
});

it("the brake's reason and the service that does not work are named", () => {
  expect(judge({ jobs: [held] }).what).toContain("120 deletions within 60 minutes");
  expect(judge({ jobs: [waiting] }).what).toContain("Supabase Auth does not work (auth_unavailable)");
  expect(judge({ jobs: [{ ...waiting, waits_for: "clerk" }], circuits: [] }).what).toContain("Clerk's API");
});

it("a refresh that nobody can make says why", () => {
  const due = { ...state, refresh_due_at: at };
  expect(judge({ clerk: off, state: due }).remedy).toContain("CLERK_SECRET_KEY");
});
