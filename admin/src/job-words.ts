import type { JobFilter } from "#core/admin/contract/jobs.ts";

export const typeWords: Readonly<Record<NonNullable<JobFilter["job_type"]>, string>> = {
  USER_CREATED: "user created",
  USER_UPDATED: "user updated",
  USER_DELETED: "user deleted",
};

/** Where jobs come from. Source: the migration job_queue. */
export const sourceWords: Readonly<Record<string, string>> = {
  webhook: "webhook",
  refresh: "refresh from Clerk",
  ensure: "ensure-user",
  backfill: "backfill",
  reconcile: "reconcile",
  email_taken: "email moved on",
  lease_lost: "lease lost",
};
