import type { Mutation } from "./mutations.ts";

const jobsSql = "supabase/schemas/04_jobs.sql";
const operateSql = "supabase/schemas/20_operate.sql";
const scheduleSql = "supabase/schemas/22_schedule_and_retention.sql";
const test = "tests/integration/admin/audit.test.ts";

const saysActor = "  perform set_config('clerk_sync.actor', 'sync', true);\n";
const endsActor = "  perform set_config('clerk_sync.actor', '', true);\n";

/** Whose name is on a change of a job: the person's, and none on what the sync does. */
export const editorNames: readonly Mutation[] = [
  ...[
    [jobsSql, "clerk_sync.insert_jobs"],
    [jobsSql, "clerk_sync.move_jobs"],
    [jobsSql, "clerk_sync.complete_jobs"],
    [scheduleSql, "public.clerk_sync_purge_jobs"],
  ].map(([file = "", within = ""]) => ({
    test,
    title: "a job > that the sync moves, from the first call to the purge, has nobody's name and is in no audit",
    edits: [{ file, within, find: saysActor, replace: "" }],
  })),
  {
    test,
    title: "a job > that the sync moves, from the first call to the purge, has nobody's name and is in no audit",
    edits: [
      {
        file: jobsSql,
        within: "clerk_sync.move_jobs",
        find: "'error', p_error, 'by', p_by",
        replace: "'error', p_error, 'by', coalesce(p_by, clerk_sync.database_user())",
      },
    ],
  },
  {
    test,
    title: "a job > edited in a transaction in which a function of ours ran is an edit all the same",
    edits: [{ file: jobsSql, within: "clerk_sync.move_jobs", find: endsActor, replace: "" }],
  },
  {
    test,
    title: "a job > that was changed by hand says by whom, in its history and in the audit",
    edits: [
      {
        file: jobsSql,
        within: "clerk_sync.record_hand_edit",
        find: "new.error, clerk_sync.database_user())",
        replace: "new.error, null)",
      },
    ],
  },
  {
    test,
    title: "a job > that was changed by hand says by whom, in its history and in the audit",
    edits: [
      {
        file: jobsSql,
        within: "clerk_sync.record_hand_edit",
        find: "perform clerk_sync.note_edit(new.id);",
        replace: "",
      },
    ],
  },
  {
    test,
    title: "a job > that was made, changed or deleted with the API's key says so, too",
    edits: [
      {
        file: operateSql,
        within: "clerk_sync.audit_edit",
        find: "clerk_sync.database_user()",
        replace: "session_user",
      },
    ],
  },
  {
    test: "tests/integration/worker/job-history.test.ts",
    title: "every change of state is recorded with its time, also one made by hand",
    edits: [
      { file: jobsSql, within: "clerk_sync.record_hand_edit", find: "    new.history := old.history;\n", replace: "" },
    ],
  },
  {
    test,
    title: "a job > that a person retries or cancels in SQL says by whom, in its history and in the audit",
    edits: [
      {
        file: operateSql,
        within: "clerk_sync.change_jobs",
        find: "p_by => coalesce(p_by, clerk_sync.database_user())",
        replace: "p_by => p_by",
      },
    ],
  },
  {
    test,
    title: "a job > that a person retries or cancels in SQL says by whom, in its history and in the audit",
    edits: [
      {
        file: operateSql,
        within: "clerk_sync.change_jobs",
        find: "perform clerk_sync.audit_edit(p_action, cardinality(v_ids), v_ids::text[]);",
        replace: "null;",
      },
    ],
  },
];
