import { z } from "zod";
import { type CallFunction, createCallAs } from "../database/database.ts";
import { jobSummarySchema, storedJobSchema } from "../database/job.ts";
import {
  changedSchema,
  countSchema,
  deadLetterGroupSchema,
  type JobAction,
  type JobFilter,
  jobCountsSchema,
  jobPageSchema,
} from "./contract/jobs.ts";
import {
  type AuditFilter,
  auditPageSchema,
  brakeReleasedSchema,
  brakeSchema,
  circuitSchema,
  overviewSchema,
  runSchema,
  runsSchema,
  seriesSchema,
  type Window,
} from "./contract/overview.ts";
import { storedUserPageSchema, type UserList, userRecordSchema } from "./contract/users.ts";

const storedDeadLettersSchema = z.object({
  groups: z.array(deadLetterGroupSchema.omit({ what: true, remedy: true })),
  is_complete: z.boolean(),
});
const storedUserSchema = userRecordSchema.extend({ jobs: z.array(jobSummarySchema) });
const storedOverviewSchema = overviewSchema.omit({ version: true });

/** What the database knows of one user, unmasked. */
export type StoredUser = z.infer<typeof storedUserSchema>;

type Page = { cursor: string | null; limit: number };

/** Who did what, for the audit; `detail` holds ids and conditions, never a payload, email or name. */
export type ActionNote = { actor: string; code: string; subject: string; detail?: Record<string, unknown> };

export type AdminDatabase = ReturnType<typeof createAdminDatabase>;

/** Makes the door of sync-admin: one method per SQL function, values unmasked. */
export function createAdminDatabase(call: CallFunction) {
  return { ...createJobCalls(call), ...createUserCalls(call), ...createSystemCalls(call) };
}

function createJobCalls(call: CallFunction) {
  const callAs = createCallAs(call);
  return {
    jobs: (filter: JobFilter, page: Page) =>
      callAs(jobPageSchema, "clerk_sync_admin_jobs", { p_filter: filter, ...pageArguments(page) }),
    job: (id: string) => callAs(storedJobSchema.nullable(), "clerk_sync_job", { p_id: id }),
    jobCounts: (filter: JobFilter) => callAs(jobCountsSchema, "clerk_sync_admin_job_counts", { p_filter: filter }),
    countJobs: (filter: JobFilter, action: "retry" | "cancel") =>
      callAs(countSchema, "clerk_sync_admin_count", { p_filter: filter, p_action: action }),
    deadLetters: () => callAs(storedDeadLettersSchema, "clerk_sync_admin_dead_letters", {}),
    changeJobs: (action: "retry" | "cancel", target: JobAction, actor: string) =>
      callAs(changedSchema, "clerk_sync_admin_change_jobs", { p_action: action, p_target: target, p_actor: actor }),
  };
}

function createUserCalls(call: CallFunction) {
  const callAs = createCallAs(call);
  return {
    users: (q: string | null, show: UserList, page: Page) =>
      callAs(storedUserPageSchema, "clerk_sync_admin_users", { p_q: q, p_show: show, ...pageArguments(page) }),
    role: (clerkId: string) => callAs(z.string().nullable(), "clerk_sync_role", { p_clerk_id: clerkId }),
    user: (clerkId: string) => callAs(storedUserSchema, "clerk_sync_admin_user", { p_clerk_id: clerkId }),
  };
}

function createSystemCalls(call: CallFunction) {
  const callAs = createCallAs(call);
  return {
    overview: () => callAs(storedOverviewSchema, "clerk_sync_admin_overview", {}),
    series: (window: Window) => callAs(seriesSchema, "clerk_sync_series", { p_window: window }),
    runs: (page: Page) => callAs(runsSchema, "clerk_sync_admin_runs", pageArguments(page)),
    run: (id: string) => callAs(runSchema.nullable(), "clerk_sync_admin_run", { p_id: id }),
    cancelRun: () => callAs(z.object({ id: z.string() }).nullable(), "clerk_sync_cancel_run", {}),
    circuits: () => callAs(z.array(circuitSchema), "clerk_sync_circuits", {}),
    resetCircuit: (name: string) => callAs(z.boolean(), "clerk_sync_reset_circuit", { p_name: name }),
    brake: () => callAs(brakeSchema, "clerk_sync_delete_brake", {}),
    releaseBrake: (decision: "apply" | "cancel", actor: string) =>
      callAs(brakeReleasedSchema, "clerk_sync_release_delete_brake", { p_decision: decision, p_by: actor }),
    audit: (filter: AuditFilter, page: Page) =>
      callAs(auditPageSchema, "clerk_sync_admin_audit", { p_filter: filter, ...pageArguments(page) }),
    /** Durable when it returns: what is to be seen later is written before it is done. */
    noteAction: async ({ actor, code, subject, detail = {} }: ActionNote): Promise<void> => {
      await call("clerk_sync_note_action", {
        p_actor: actor,
        p_code: code,
        p_subject: subject,
        p_count: 1,
        p_detail: detail,
      });
    },
  };
}

function pageArguments({ cursor, limit }: Page): Record<string, unknown> {
  return { p_cursor: cursor, p_limit: limit };
}
