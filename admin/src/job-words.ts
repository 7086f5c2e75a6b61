import type { JobFilter } from "#core/admin/contract/jobs.ts";

export const typeWords: Readonly<Record<NonNullable<JobFilter["job_type"]>, string>> = {
  USER_CREATED: "user created",
  USER_UPDATED: "user updated",
  USER_DELETED: "user deleted",
  ORGANIZATION_CREATED: "organization created",
  ORGANIZATION_UPDATED: "organization updated",
  ORGANIZATION_DELETED: "organization deleted",
  MEMBERSHIP_CREATED: "membership created",
  MEMBERSHIP_UPDATED: "membership updated",
  MEMBERSHIP_DELETED: "membership deleted",
  ROLE_CREATED: "role created",
  ROLE_UPDATED: "role updated",
  ROLE_DELETED: "role deleted",
  PERMISSION_CREATED: "permission created",
  PERMISSION_UPDATED: "permission updated",
  PERMISSION_DELETED: "permission deleted",
  INVITATION_CREATED: "invitation created",
  INVITATION_UPDATED: "invitation updated",
  INVITATION_DELETED: "invitation deleted",
};

/** Where jobs come from. Source: the migration job_queue. */
export const sourceWords: Readonly<Record<string, string>> = {
  webhook: "webhook",
  refresh: "refresh from Clerk",
  ensure: "ensure-user",
  backfill: "backfill",
  reconcile: "reconcile",
  email_taken: "email moved on",
  role_withdrawn: "role withdrawn",
  members: "members of what was restored",
  read: "read with others",
  lease_lost: "lease lost",
};
