import type { JobCounts } from "#core/admin/contract/jobs.ts";
import type { Overview } from "#core/admin/contract/overview.ts";

const signs = { healthy: "✓", degraded: "!", compromised: "✗" } as const;

/** The state of the sync on one screen. `now` in Unix milliseconds. */
export function formatStatus(overview: Overview, now: number): string[] {
  const { health, jobs, users, oldest_due_at, last_event_at, last_applied_at, drift } = overview;
  const ago = (at: string | null) => formatAgo(at, now);
  return [
    `${signs[health.status]} ${health.status}`,
    ...health.reasons.flatMap(({ code, status, what, since, remedy }) => [
      `  ${signs[status]} ${code}${since ? `, since ${ago(since)}` : ""}: ${what}`,
      `      ${remedy}`,
    ]),
    "",
    `  users         ${users}`,
    `  jobs          ${formatCounts(jobs)}`,
    ...formatDead(jobs),
    `  oldest due    ${oldest_due_at === null ? "none" : ago(oldest_due_at)}`,
    `  last event    ${ago(last_event_at)}; last applied ${ago(last_applied_at)}`,
    `  out of step   ${drift === null ? "never compared: clerk-sync reconcile" : `${drift.users} of ${drift.read}, ${ago(drift.at)}`}`,
    ...formatParts(overview),
  ];
}

/** "completed 12, dead 10000+": the + says that there are more than were looked at. */
function formatCounts(jobs: JobCounts): string {
  const counts = Object.keys(jobs.statuses).map((status) => `${status.toLowerCase()} ${formatCount(jobs, status)}`);
  return counts.join(", ") || "none";
}

function formatCount({ statuses, at_least, most }: JobCounts, status: string): string {
  const entry = Object.entries(statuses).find(([name]) => name === status);
  const count = entry?.[1] ?? 0;
  // An API older than at_least names no status; there, as many as are looked at may be more.
  const hasMore = at_least === undefined ? count >= most : at_least.some((name) => name === status);
  return `${count}${hasMore ? "+" : ""}`;
}

function formatDead(jobs: JobCounts): string[] {
  if ((jobs.statuses.DEAD ?? 0) === 0) return [];
  return [`  dead letters  ${formatCount(jobs, "DEAD")} wait for a person: clerk-sync jobs list --status dead`];
}

function formatParts({ circuits, brake, open_run }: Overview): string[] {
  const states = circuits.map(
    ({ name, state, waiting }) => `${name} ${state}${waiting > 0 ? ` (${waiting} wait)` : ""}`,
  );
  const waiting = brake.waiting === 1 ? "1 deletion waits" : `${brake.waiting} deletions wait`;
  return [
    `  circuits      ${states.join(", ")}`,
    `  delete brake  ${brake.engaged_at === null ? "off" : `engaged: ${waiting}`}`,
    ...(open_run === null ? [] : [`  run           ${open_run.kind}, ${open_run.counts["read"] ?? 0} users read`]),
  ];
}

/** "12 s ago", "never". */
function formatAgo(at: string | null, now: number): string {
  if (at === null) return "never";
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} d ago`;
}
