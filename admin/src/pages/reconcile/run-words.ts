import type { AdminRun } from "#core/admin/contract/overview.ts";
import { formatDuration } from "../../format-time.ts";

type Kind = AdminRun["kind"];

/** What each kind of run does, in the order in which one should think of them. */
export const kinds: readonly { kind: Kind; name: string; about: string; canBeDry: boolean }[] = [
  {
    kind: "compare",
    name: "Compare",
    about: "Reads every user of Clerk and names who is missing, old, different or should be gone.",
    canBeDry: true,
  },
  {
    kind: "sweep",
    name: "Sweep",
    about: "Only who changed at Clerk since the last run: takes seconds, and sees no deletions.",
    canBeDry: true,
  },
  {
    kind: "backfill",
    name: "Backfill",
    about: "Brings in every user of Clerk who is not here yet, for instance before the first event.",
    canBeDry: true,
  },
];

/** What the counts of a run mean; the order in which they are shown. Source: docs/backfill-and-reconcile.md. */
export const countWords: Readonly<Record<string, string>> = {
  read: "users read from Clerk",
  missing: "at Clerk, and not here",
  stale: "older here than at Clerk",
  ahead: "newer here than at Clerk: not of Clerk",
  differs: "other values here, of the same version",
  unmirrored: "right here, not in Supabase Auth",
  extra: "here, and deleted at Clerk",
  foreign: "here, unknown to Clerk, never written by the sync: left as they are",
  edited: "only what users may edit differs: left as they are",
  pending: "work is in the queue: left as they are",
  queued: "put into the queue",
  exists: "were here and as new already",
  unreadable: "could not be read and were left out",
  users_here: "users here",
  auth_read: "users read from Supabase Auth",
  auth_missing: "was in Supabase Auth, and is gone there",
  auth_differs: "other values in Supabase Auth",
  auth_extra: "in Supabase Auth, and deleted at Clerk",
  auth_deleted: "soft-deleted in Supabase Auth: delete it there for good, then it is made again",
  auth_foreign: "in Supabase Auth, not made by the sync: left as they are",
  auth_address_held: "have a placeholder in Supabase Auth, where another user holds the address",
  auth_unreadable: "rows that Supabase Auth cannot read: see auth_user_failed in docs/errors.md",
  auth_unread: "Supabase Auth did not answer: run it again",
  dead: "became dead letters",
  retrying: "failed, and are tried again",
  held: "deletions that wait for the delete brake",
};

/** As the command line and health count them. */
const driftKinds = [
  "missing",
  "stale",
  "ahead",
  "differs",
  "unmirrored",
  "extra",
  "auth_missing",
  "auth_differs",
  "auth_extra",
  "auth_deleted",
];

/** What a run does in each phase. Source: core reconcile/step.ts. */
const phaseWords: Readonly<Record<string, string>> = {
  check: "checks the Clerk instance",
  walk: "reads the users of Clerk",
  read_organization: "reads the organizations of Clerk",
  read_membership: "reads the memberships of Clerk",
  read_role: "reads the roles of Clerk",
  read_invitation: "reads the invitations of Clerk",
  deleted: "looks for users deleted at Clerk",
  auth: "reads the users of Supabase Auth",
  auth_missing: "looks for users missing in Supabase Auth",
  ended_organization: "looks for organizations deleted at Clerk",
  ended_membership: "looks for memberships that ended at Clerk",
  ended_role: "looks for roles deleted at Clerk",
  settle: "waits for the jobs it queued",
};

export function describePhase(phase: string): string {
  return Object.hasOwn(phaseWords, phase) ? (phaseWords[phase] ?? phase) : phase;
}

/** How many users a run found that are to be mended. */
export function countDrift(counts: AdminRun["counts"]): number {
  return driftKinds.reduce((sum, kind) => sum + (counts[kind] ?? 0), 0);
}

/** The counts that are not zero, those with words first. */
export function sortCounts(counts: AdminRun["counts"]): [name: string, count: number][] {
  const order = Object.keys(countWords);
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return Object.entries(counts)
    .filter(([name, count]) => count !== 0 || name === "read")
    .sort(([left], [right]) => place(left) - place(right));
}

/** "dry compare", "backfill", "backfill of image_url". */
export function nameRun({ kind, applies, columns }: Pick<AdminRun, "kind" | "applies" | "columns">): string {
  const name = columns === null ? kind : `${kind} of ${columns.join(", ")}`;
  return applies ? name : `dry ${name}`;
}

/** How long it took, or takes so far. */
export function formatRunTime({ started_at, finished_at }: AdminRun, now: number): string {
  const end = finished_at === null ? now : Date.parse(finished_at);
  return formatDuration(end - Date.parse(started_at));
}

/** "about 2 min left", from the speed so far; null when nobody can say. */
export function estimateRest({ counts, users_at_clerk, started_at, status }: AdminRun, now: number): string | null {
  const read = counts["read"] ?? 0;
  if (status !== "RUNNING" || !users_at_clerk || read === 0 || read >= users_at_clerk) return null;
  const rest = ((now - Date.parse(started_at)) / read) * (users_at_clerk - read);
  return `about ${formatDuration(Math.max(1000, rest))} left`;
}
