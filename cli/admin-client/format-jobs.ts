import type { Job, JobSummary } from "#core/admin/contract/jobs.ts";

/** What a page without jobs says: the newest were looked at, and older ones may match. */
const noneYet = "None of the jobs looked at matches; older ones may.";
const none = "No job matches. Finished jobs are purged after RETENTION_DAYS.";

/** Lines of a list: time, id, status, type, user, error; columns as wide as what stands in them. */
export function formatJobs(jobs: readonly JobSummary[], hasMore = false): string[] {
  if (jobs.length === 0) return [hasMore ? noneYet : none];
  const rows = jobs.map((job) => [job.created_at.slice(0, 19), job.id, job.status, job.job_type, job.clerk_id ?? "-"]);
  const widths = rows.reduce((most, row) => row.map((cell, place) => Math.max(cell.length, most[place] ?? 0)), [0]);
  return jobs.map((job, place) => {
    const cells = (rows[place] ?? []).map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return [...cells, job.error ?? ""].join("  ").trimEnd();
  });
}

/** One job: what it is, why it is where it is, and every step of its history. */
export function formatJob(job: Job): string[] {
  return [
    `${job.job_type} ${job.status}, attempt ${job.attempts} of ${job.max_attempts}`,
    `  job       ${job.id}`,
    `  user      ${job.clerk_id ?? "none is named"}`,
    `  event     ${job.event_id ?? "none"}`,
    `  source    ${job.source}`,
    `  received  ${job.created_at}`,
    ...(job.status === "PENDING" || job.status === "FAILED" ? [`  due       ${job.run_at}`] : []),
    ...(job.error === null ? [] : [`  error     ${job.error}`]),
    ...(job.trouble === null ? [] : [`  trouble   ${job.trouble.what}`, `  to do     ${job.trouble.remedy}`]),
    "  history",
    ...job.history.map(formatStep),
    `  payload   ${job.is_revealed ? "" : "(personal values are masked; --reveal shows them, and is audited) "}`.trimEnd(),
    ...JSON.stringify(job.payload, null, 2)
      .split("\n")
      .map((line) => `    ${line}`),
  ];
}

function formatStep({ at, status, attempt, error, by }: Job["history"][number]): string {
  const why = error === undefined ? "" : `  ${error}`;
  const who = by === undefined ? "" : ` by ${by}`;
  return `    ${at}  ${status.padEnd(10)} attempt ${attempt}${why}${who}`;
}
