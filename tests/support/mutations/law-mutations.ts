import type { Mutation } from "./mutations.ts";

const usersSql = "supabase/schemas/04_users.sql";
const rightsSql = "supabase/schemas/23_rights.sql";
const jobsSql = "supabase/schemas/04_jobs.sql";
const applySql = "supabase/schemas/08_apply.sql";
const brakeSql = "supabase/schemas/10_delete_brake.sql";
const refreshSql = "supabase/schemas/12_refresh.sql";
const workSql = "supabase/schemas/13_work.sql";
const auditSql = "supabase/schemas/16_audit.sql";
const scheduleSql = "supabase/schemas/22_schedule_and_retention.sql";
const file = (name: string) => `tests/integration/${name}.test.ts`;

/** Laws under load, crashes and conflicts, each with the line that upholds it. */
export const laws: readonly Mutation[] = [
  {
    test: file("worker/refresh"),
    title: "a read that began before the deletion was known revives nobody",
    edits: [
      {
        file: applySql,
        find: "e.read_at > s.deleted_at",
        replace: "r.is_fresh",
      },
    ],
  },
  {
    test: file("worker/refresh"),
    title: "reads of a lost lease are dropped",
    edits: [
      {
        file: refreshSql,
        find: "      and j.status = 'PROCESSING'\n      and j.lease_token = p_token\n      and j.source",
        replace: "      and j.source",
      },
    ],
  },
  {
    test: file("worker/refresh"),
    title: "while Clerk's API is down or asks to wait the refresh is retried, not before it said",
    edits: [
      {
        file: applySql,
        find: "greatest(clerk_sync.backoff(v_attempt), p_retry_after)",
        replace: "clerk_sync.backoff(v_attempt)",
      },
    ],
  },
  {
    test: file("worker/refresh"),
    title: "a read that is older than what a webhook brought is tried again and changes nothing",
    edits: [{ file: refreshSql, find: "          and j.version < r.version\n", replace: "          and false\n" }],
  },
  {
    test: file("worker/emails"),
    title: "an older claim that arrives late does not take the address back",
    edits: [{ file: applySql, find: "q.version desc, q.clerk_id desc", replace: "q.version, q.clerk_id" }],
  },
  {
    test: file("worker/emails"),
    title: "an address that only the owner's own constraint takes for the same costs the email, not the user",
    edits: [{ file: applySql, find: "if sqlstate = '23505' and p_with_email then", replace: "if false then" }],
  },
  {
    test: file("worker/exclusivity"),
    title: "while Auth takes its time over a user, a second worker leaves that user alone and serves the others",
    edits: [
      {
        file: jobsSql,
        find: "create unique index if not exists job_queue_one_processing_per_user",
        replace: "create index if not exists job_queue_one_processing_per_user",
      },
      {
        file: workSql,
        within: "clerk_sync.claim_jobs",
        find: "r.clerk_id = j.clerk_id and r.status = 'PROCESSING'",
        replace: "false",
      },
      {
        file: workSql,
        within: "clerk_sync.claim_jobs",
        find: "r.clerk_id = d.clerk_id and r.status = 'PROCESSING'",
        replace: "false",
      },
    ],
  },
  {
    test: file("worker/retries"),
    title: "the backoff doubles from 2 s to a cap of 15 minutes, with full jitter",
    edits: [{ file: applySql, find: "least(900, ", replace: "least(1e9, " }],
  },
  {
    test: file("worker/retries"),
    title: "a server that asks to wait is not called before that",
    edits: [
      {
        file: applySql,
        find: "greatest(clerk_sync.backoff(v_attempt), p_retry_after)",
        replace: "clerk_sync.backoff(v_attempt)",
      },
    ],
  },
  {
    test: file("worker/retries"),
    title: "a permanent error is a dead letter at the first attempt",
    edits: [{ file: applySql, find: "case when p_is_final then 'DEAD' else 'FAILED' end", replace: "'FAILED'" }],
  },
  {
    test: file("worker/retries"),
    title: "a worker that comes back after its lease was given to another changes nothing",
    edits: [
      {
        file: workSql,
        within: "public.clerk_sync_settle_jobs",
        find: "      and j.lease_token = p_token\n",
        replace: "",
      },
    ],
  },
  {
    test: file("worker/retries"),
    title: "the user of a worker that comes back too late is mirrored once more, for it may have written over another",
    edits: [
      {
        file: workSql,
        within: "public.clerk_sync_settle_jobs",
        find: "  perform clerk_sync.queue_mirror(\n",
        replace: "  perform jsonb_build_array(\n",
      },
    ],
  },
  {
    test: file("database/plans"),
    title: "what a job reads stays the same while tables grow that held one user when the plans were made",
    edits: [
      { file: jobsSql, find: "case when q.status = 'COMPLETED' then true end", replace: "q.status = 'COMPLETED'" },
      {
        file: workSql,
        within: "public.clerk_sync_settle_jobs",
        find: "set enable_bitmapscan = 'off'",
        replace: "set enable_bitmapscan = 'on'",
      },
    ],
  },
  {
    test: file("admin/operate"),
    title: "a filter with a key it does not know is refused, not taken for all jobs",
    edits: [{ file: auditSql, find: "if cardinality(v_unknown) > 0 then", replace: "if false then" }],
  },
  {
    test: file("admin/operate"),
    title: "a job in a worker's hand that is cancelled ends as CANCELLED when its attempt ends with retry",
    edits: [
      {
        file: jobsSql,
        find: "when j.cancel_requested_at is not null and p_status in ('PENDING', 'FAILED', 'DEAD') then 'CANCELLED'",
        replace: "when false then 'CANCELLED'",
      },
    ],
  },
  {
    test: file("worker/delete-brake"),
    title: "as many deletions as allowed are applied, one more waits with its reason, and everything else goes on",
    edits: [{ file: brakeSql, find: "if v_total > v_most then", replace: "if false then" }],
  },
  {
    test: file("worker/delete-brake"),
    title: "a share of all users engages it, from ten deletions on",
    edits: [{ file: brakeSql, find: "if v_total > v_rows * v_percent / 100 then", replace: "if false then" }],
  },
  {
    test: file("worker/delete-brake"),
    title: "two workers at once do not pass more than allowed between them",
    edits: [
      {
        file: brakeSql,
        find: "(select b.reason from clerk_sync.delete_brake as b where b.kind = p_kind for update)",
        replace: "(select b.reason from clerk_sync.delete_brake as b where b.kind = p_kind)",
      },
    ],
  },
  {
    test: file("worker/delete-brake"),
    title: "an operator who confirms lets those pass that wait, and only those",
    edits: [{ file: brakeSql, find: "      and not j.is_confirmed\n", replace: "" }],
  },
  {
    test: file("worker/retention"),
    title: "a job keeps what is applied, and of its event only kind, ids and times",
    edits: [
      {
        file: "supabase/functions/_shared/clerk-sync/clerk/map-event.ts",
        find: "summariseEvent(event.original)",
        replace: "event.original",
      },
    ],
  },
  {
    test: file("worker/retention"),
    title: "when a user is deleted, all older jobs lose what they held of the person, whatever became of them",
    edits: [
      {
        file: applySql,
        within: "clerk_sync.apply_jobs",
        find: "v_done.superseded || case when not v_mirrors then v_done.carries end",
        replace: "array[]::uuid[]",
      },
    ],
  },
  {
    test: file("worker/retention"),
    title: "with the mirror, the jobs are erased when the Auth user is gone as well",
    edits: [{ file: workSql, find: "    perform clerk_sync.erase_deleted(v_ids, p_now);\n", replace: "" }],
  },
  {
    test: file("worker/retention"),
    title: "finished jobs are purged after their days, in steps of a bounded size, and dead letters stay",
    edits: [{ file: scheduleSql, find: "    limit p_limit\n", replace: "" }],
  },
  {
    test: file("clerk/session-tokens"),
    title: "a token of the instance opens the own row and no other",
    edits: [
      { file: usersSql, find: "  using (clerk_id = ((select auth.jwt()) ->> 'sub'))", replace: "  using (true)" },
    ],
  },
  {
    test: file("clerk/session-tokens"),
    title: "what a user may write into a token (unsafe_metadata) raises no right",
    edits: [
      { file: usersSql, find: "grant update (name, preferences,", replace: "grant update (role, name, preferences," },
    ],
  },
  {
    test: file("database/privileges"),
    title: "clerk_sync_privilege_findings > revoke usage on schema clerk_sync from service_role",
    edits: [{ file: rightsSql, find: "where r.is_given <> r.should_be", replace: "where r.is_given > r.should_be" }],
  },
];
