export const filterNames = ["kind", "source", "subject", "since"] as const;
export type FilterName = (typeof filterNames)[number];

/** What an operator did. Codes: core admin-routes-*.ts, cli/users and the SQL function clerk_sync_admin_change_jobs. */
export const actionWords: Readonly<Record<string, string>> = {
  sign_in: "signed a person in",
  sign_in_refused: "tried to sign in, and was refused",
  retry_jobs: "retried jobs",
  cancel_jobs: "cancelled jobs",
  reveal_job: "revealed a job's payload",
  reveal_user: "revealed a user's values",
  resync_user: "had a user read again",
  link_user: "linked a user to an older row",
  relink_users: "gave rows the Clerk ids of another instance",
  walk_run: "started a run",
  cancel_run: "cancelled a run",
  release_brake: "decided at the delete brake",
  reset_circuit: "reset a circuit",
};

/** The kinds of entries, and what they mean. Source: docs/health.md. */
export const kindWords: Readonly<Record<string, string>> = {
  operator_action: "done by an operator",
  delivery_refused: "delivery refused",
  instance_unknown: "event of another Clerk instance",
  sample_event: "sample event of the dashboard",
  event_trimmed: "event without fields that Clerk sends",
  job_edited: "jobs changed past the sync",
  burst: "unusually many events",
  flapping_user: "very many events of one user",
};
