import type { Mutation } from "./mutations.ts";

const jobsSql = "supabase/schemas/04_jobs.sql";
const auditSql = "supabase/schemas/16_audit.sql";
const runsSql = "supabase/schemas/14_runs.sql";
const workSql = "supabase/schemas/13_work.sql";
const healthSql = "supabase/schemas/17_health.sql";
const core = "supabase/functions/_shared/clerk-sync";

/** What is said of the sync itself: no false alarm, no false peace. */
export const supervision: readonly Mutation[] = [
  {
    test: "tests/integration/health/silence.test.ts",
    title: "there is no alarm > for a sign-in that only moves updated_at",
    edits: [{ file: runsSql, find: "      else exists (", replace: "      else true or exists (" }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "there is no alarm > for a sign-in of a user who has edited the own name here",
    edits: [{ file: runsSql, find: "where not f.is_own", replace: "where true" }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "there is no alarm > for a user whose lock has run out, who signs in",
    edits: [{ file: runsSql, find: "and f.name <> 'locked'", replace: "" }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "there is no alarm > for a user whose address is settled by a read that has not come, who signs in",
    edits: [{ file: runsSql, find: "and (f.key <> 'email' or s.refresh_reason is null)", replace: "" }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "there is no alarm > for a change that was delivered and waits, or gave up, in the queue",
    edits: [{ file: runsSql, find: "and j.version >= i.version)", replace: "and false)" }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "there is no alarm > for a change whose delivery arrives while it is being looked at",
    edits: [{ file: runsSql, find: "and j.version >= i.version)", replace: "and false)" }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "there is no alarm > for a change that was lost before the last delivery: that is drift",
    edits: [{ file: runsSql, find: "and i.version > extract(epoch from v_after) * 1000", replace: "" }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "when deliveries stop > a busy instance whose newest five hundred changes are all young is seen through",
    edits: [
      {
        file: `${core}/reconcile/reconcile-users.ts`,
        find: "if (page.users.length > 0 && changed",
        replace: "if (page.users.length < 0 && changed",
      },
    ],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "it ends by itself > with the next delivery, and says from when until when to replay",
    edits: [{ file: healthSql, find: "set changed_at = null,", replace: "set changed_at = s.changed_at," }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "it ends by itself > with the next delivery, and not with one that was taken before and is told of late",
    edits: [{ file: healthSql, find: "where coalesce(v_last, s.changed_at) < p_accepted_at", replace: "where true" }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title:
      "it ends by itself > and not with a reconcile, or a resync, that brings what was missing: the endpoint is as dead as before",
    edits: [
      { file: runsSql, find: "if p_jobs = '[]' then", replace: "if false then" },
      { file: runsSql, find: "where v_changed < coalesce(s.changed_at, 'infinity')", replace: "where true" },
    ],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "it ends by itself > and one that is confirmed is not suspected again because of a newer change",
    edits: [{ file: runsSql, find: "where v_changed < coalesce(s.changed_at, 'infinity')", replace: "where true" }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "it ends by itself > with a delivery that is told of while a run notes the change",
    edits: [{ file: healthSql, find: "perform 1 from clerk_sync.silence as s for update;", replace: "" }],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "a change whose delivery comes within ten minutes leaves no trace",
    edits: [
      { file: healthSql, find: "when s.changed_at < v_suspected then coalesce", replace: "when true then coalesce" },
    ],
  },
  {
    test: "tests/integration/health/silence.test.ts",
    title: "when deliveries stop > the sweep repairs what it tells of",
    edits: [
      {
        file: runsSql,
        find: "perform clerk_sync.note_silence(coalesce(v_step -> 'jobs', '[]'));",
        replace: "",
      },
    ],
  },
  {
    test: "tests/integration/admin/audit.test.ts",
    title: "a job > that was changed by hand says by whom, in its history and in the audit",
    edits: [
      {
        file: jobsSql,
        find: "when (current_setting('clerk_sync.actor', true) is distinct from 'sync')",
        replace: "when (false)",
      },
    ],
  },
  {
    test: "tests/integration/admin/audit.test.ts",
    title: "deliveries > of a flood from everywhere cannot fill the table",
    edits: [{ file: auditSql, find: "count(*) >= 50 ", replace: "count(*) >= 5000 " }],
  },
  {
    test: "tests/integration/health/health.test.ts",
    title: "due work > is found in every priority, and what is not due yet is not",
    edits: [{ file: healthSql, find: "and j.priority < p.priority", replace: "and false" }],
  },
  {
    test: "tests/integration/health/health.test.ts",
    title: "what it reads does not grow with the finished jobs, nor with the open ones",
    edits: [{ file: healthSql, find: "limit p_most", replace: "limit 1000000" }],
  },
  {
    test: "tests/integration/health/health-services.test.ts",
    title: "a service that is down > degrades, and the work that waits for it is not late however long it takes",
    edits: [
      { file: healthSql, find: "'FAILED') and j.waits_for is null", replace: "'FAILED')" },
      { file: healthSql, find: "and j.waits_for is null\n      and j.priority =", replace: "and j.priority =" },
    ],
  },
  {
    test: "tests/integration/health/health-services.test.ts",
    title: "the last compare > that found more users out of step than is usual degrades, until one finds fewer",
    edits: [{ file: healthSql, find: "'differs', 'extra', ", replace: "'differs', " }],
  },
  {
    test: "tests/integration/health/health-services.test.ts",
    title: "the last compare > makes up for a backfill and a sweep that failed before, and not for those after",
    edits: [{ file: healthSql, find: "and c.started_at > r.started_at", replace: "" }],
  },
  {
    test: "tests/integration/cli/verify-instance.test.ts",
    title: "an endpoint that applies one instance's events takes the canary when verify knows the instance",
    edits: [
      {
        file: "cli/verify/canary.ts",
        find: "instanceId: instanceId ?? ownInstanceId",
        replace: "instanceId: ownInstanceId",
      },
    ],
  },
  {
    test: `${core}/webhook/handle-webhook.test.ts`,
    title:
      "an event that is signed and not applied > of another instance is answered 200, so that it does not come again, and noted",
    edits: [
      {
        file: `${core}/webhook/handle-webhook.ts`,
        find: 'if (origin !== "instance")',
        replace: "if (origin === null)",
      },
    ],
  },
  {
    test: "tests/integration/health/sync-health.test.ts",
    title: "on the Node server > a database that hangs is 503, for a hundred callers at once and within the time",
    edits: [
      {
        file: `${core}/health/read-health.ts`,
        find: "reading === null || isOver(reading, now(), shareMilliseconds)",
        replace: "true",
      },
    ],
  },
  {
    test: "tests/integration/health/health.test.ts",
    title: "a threshold that the owner set counts, and the next migration leaves it",
    edits: [{ file: healthSql, find: "coalesce(o.due_degraded_minutes, 2)", replace: "coalesce(null, 2)" }],
  },
  {
    test: "tests/integration/health/mapping-differs.test.ts",
    title: "one of several servers that was not restarted is named while it runs",
    edits: [{ file: workSql, find: "where s.seen_at > p_now - interval '2 minutes'", replace: "where false" }],
  },
  {
    test: "tests/integration/health/mapping-differs.test.ts",
    title: "the last word of a program counts for a day: one that was removed is not named for ever",
    edits: [{ file: workSql, find: "where p.seen_at > p_now - interval '1 day'", replace: "where true" }],
  },
  {
    test: "tests/integration/health/mapping-differs.test.ts",
    title: "a program with another mapping is named after ten minutes, with what to do",
    edits: [{ file: healthSql, find: "differing.since < p_now -", replace: "differing.since > p_now -" }],
  },
  {
    test: "tests/integration/health/mapping-differs.test.ts",
    title: "the webhook tells it with its deliveries, and nothing is written twice within ten seconds",
    edits: [
      {
        file: healthSql,
        within: "public.clerk_sync_record_deliveries",
        find: "  perform clerk_sync.note_program(p_program, p_now);\n",
        replace: "",
      },
    ],
  },
];
