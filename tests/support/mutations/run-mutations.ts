import type { Mutation } from "./mutations.ts";

const jobsSql = "supabase/schemas/04_jobs.sql";
const brakeSql = "supabase/schemas/10_delete_brake.sql";
const runsSql = "supabase/schemas/14_runs.sql";
const compareSql = "supabase/schemas/15_compare.sql";
const core = (name: string) => `supabase/functions/_shared/clerk-sync/${name}.ts`;
const file = (name: string) => `tests/integration/${name}.test.ts`;

/** What keeps backfill and reconcile harmless, each with the line that upholds it. */
export const runRules: readonly Mutation[] = [
  {
    test: file("reconcile/runs-database"),
    title: "a run > whose runner died is carried on where it was, and the dead one can store nothing any more",
    edits: [{ file: runsSql, find: "    and r.lease_token = p_token\n", replace: "" }],
  },
  {
    test: file("reconcile/runs-database"),
    title: "a run > is started once when two start it at the same moment",
    edits: [
      {
        file: runsSql,
        find: "create unique index if not exists sync_runs_one_open",
        replace: "create index if not exists sync_runs_one_open",
      },
    ],
  },
  {
    test: file("reconcile/runs-database"),
    title: "a page that was read > before a deletion does not revive its user, after it does",
    edits: [
      {
        file: jobsSql,
        within: "clerk_sync.insert_jobs",
        find: "coalesce(e.source, 'webhook'), e.read_at,",
        replace: "coalesce(e.source, 'webhook'), case when e.read_at is not null then now() + interval '1 hour' end,",
      },
    ],
  },
  {
    test: file("reconcile/reconcile"),
    title: "deletions > are never made of a user whom Clerk does not say to be gone",
    edits: [
      {
        file: core("reconcile/find-deleted-users"),
        find: '(await clerk.readUser(clerkId)).deleted ? "deleted" : "there"',
        replace: 'clerk && clerkId ? "deleted" : "there"',
      },
    ],
  },
  ...["an empty instance", "another instance"].map((instance) => ({
    test: file("reconcile/reconcile"),
    title: `deletions > of everybody do not follow from ${instance}`,
    edits: [
      { file: core("reconcile/check-instance"), find: "!(isMany || isAll)", replace: "(isMany || isAll || true)" },
    ],
  })),
  {
    test: file("reconcile/reconcile"),
    title: "deletions > of many users wait for an operator, as those of events do",
    edits: [
      {
        file: brakeSql,
        within: "clerk_sync.pass_brake",
        find: "and j.job_type like '%DELETED'\n",
        replace: "and j.job_type like '%DELETED' and j.source = 'webhook'\n",
      },
    ],
  },
  {
    test: file("reconcile/reconcile"),
    title: "deletions > are not made of who came within a quarter of an hour: Clerk's list may not show them yet",
    edits: [
      {
        file: compareSql,
        find: "where s.clerk_id = i) <= p_now - interval '15 minutes', true",
        replace: "where s.clerk_id = i) <= p_now, true",
      },
    ],
  },
  {
    test: file("reconcile/reconcile-auth"),
    title: "a compare of Supabase Auth > deletes nobody whom Clerk still has, whatever stands in the metadata",
    edits: [
      {
        file: core("reconcile/compare-auth-users"),
        find: "(await clerk.readUser(clerkId)).deleted",
        replace: "clerk !== null",
      },
    ],
  },
  {
    test: file("reconcile/reconcile-auth"),
    title:
      "a compare of Supabase Auth > has more than a few deletions wait for an operator, though nobody is deleted here",
    edits: [
      {
        file: brakeSql,
        within: "clerk_sync.pass_brake",
        find: "        j.for_auth_only\n",
        replace: "        false\n",
      },
    ],
  },
  {
    test: file("reconcile/runs-database"),
    title: "a run > that swept and found nothing is forgotten an hour later, and the last one that completed is not",
    edits: [{ file: runsSql, find: "and r.finished_at < v_last - interval '1 hour'", replace: "" }],
  },
  {
    test: file("worker/versions"),
    title:
      "a name of the version that Clerk has > is named by a compare as different when an event brought it, and as edited when its user wrote it",
    edits: [{ file: runsSql, find: "and j.payload ->> c.key is distinct from c.clerk", replace: "and false" }],
  },
  {
    test: file("reconcile/reconcile"),
    title: "reconcile --apply > leaves a name alone that its user edited here",
    edits: [
      {
        file: compareSql,
        find: "when c.is_wrong then 'differs'",
        replace: "when c.fields <> '{}' then 'differs'",
      },
    ],
  },
  {
    test: file("reconcile/reconcile-runs"),
    title: "reconcile --recent > misses nobody who changes, or is deleted, while it walks",
    edits: [{ file: core("reconcile/reconcile-users"), find: "const overlap = 50;", replace: "const overlap = 0;" }],
  },
  {
    test: file("reconcile/reconcile-runs"),
    title: "reconcile --recent > misses nobody who changes, or is deleted, while it walks",
    edits: [
      { file: core("reconcile/reconcile-users"), find: "const mostRounds = 5;", replace: "const mostRounds = 1;" },
    ],
  },
  ...["rejected", "empty"].map((answer) => ({
    test: file("reconcile/backfill"),
    title: `a backfill > sees everybody while users come, go and change, also when the user of its cursor goes (${answer})`,
    edits: [
      {
        file: core("reconcile/read-next-page"),
        find: "return byTime.last?.id === after ? null : orNull(byTime);",
        replace: "return byTime === null ? byTime : null;",
      },
    ],
  })),
  {
    test: file("reconcile/backfill-process"),
    title: "killed twice on the way, a backfill goes on where it was, and no user is queued twice",
    edits: [
      {
        file: core("reconcile/backfill-users"),
        find: "const page = await readNextPage(clerk, run);",
        replace: 'const page = await readNextPage(clerk, run.counts["read"] === 1000 ? { ...run, cursor: {} } : run);',
      },
      {
        file: core("reconcile/backfill-users"),
        find: "toBackfillJob(run,",
        replace: "toBackfillJob({ ...run, id: crypto.randomUUID() },",
      },
    ],
  },
  {
    test: core("reconcile/walk-run").replace(".ts", ".test.ts"),
    title: "a run that another process began > is stopped in phase deleted when this key knows none of our users",
    edits: [
      {
        file: core("reconcile/walk-run"),
        find: "if (isUnchecked(run, dependencies)) await checkInstance(run, dependencies);",
        replace: "isUnchecked(run, dependencies);",
      },
    ],
  },
  {
    test: core("reconcile/keep-lease").replace(".ts", ".test.ts"),
    title: "a run that another runner has taken meanwhile asks Clerk nothing more",
    edits: [
      { file: core("reconcile/keep-lease"), find: "if (!advanced.held) throw runLost();", replace: "void advanced;" },
    ],
  },
  {
    test: core("reconcile/read-next-page").replace(".ts", ".test.ts"),
    title:
      "users of one sign-up time whom Clerk lists in another order each time > do not keep a walk from its end (the time included: true)",
    edits: [{ file: core("reconcile/read-next-page"), find: "still: still + 1 }", replace: "still }" }],
  },
  {
    test: file("clerk/clerk-rate"),
    title: "no ten seconds see more requests than the rate, whoever takes them",
    edits: [
      {
        file: runsSql,
        find: "array_fill(0, array[(v_slot - v_last)::integer])",
        replace: "array_fill(0, array[2 * (v_slot - v_last)::integer])",
      },
    ],
  },
  {
    test: file("clerk/clerk-rate"),
    title: "background work leaves the last part to live reads, and live reads count against it",
    edits: [
      {
        file: runsSql,
        find: "greatest(0, least(p_wanted, p_rate - (select sum(u) from unnest(v_used) as u)))",
        replace: "greatest(0, least(p_wanted, 1000 - (select sum(u) from unnest(v_used) as u)))",
      },
    ],
  },
];
