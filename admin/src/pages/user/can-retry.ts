import type { User } from "#core/admin/contract/users.ts";

/** Whether the job that the verdict names can be retried. */
export function canRetry({ verdict, jobs }: Pick<User, "verdict" | "jobs">): boolean {
  const job = jobs.find(({ id }) => id === verdict.job_id);
  return job !== undefined && ["FAILED", "DEAD", "CANCELLED"].includes(job.status);
}
