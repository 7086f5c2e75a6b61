import type { Difference } from "#core/reconcile/runs-database.ts";
import type { RunReport } from "./walk-run.ts";

const format = new Intl.NumberFormat("en-US").format;
const shownDifferences = 50;
const shownIds = 10;

/** A report as `--json` prints it. */
type RunSummary = ReturnType<typeof summariseRun>;

/** Sums a run up. `unexplained`: how many more users Clerk has than we, beyond those whose reason is known. */
export function summariseRun({ run, isComplete, seconds, readSeconds, requests, ...found }: RunReport) {
  const count = (name: string) => run.counts[name] ?? 0;
  const [atClerk, here] = [run.users_at_clerk ?? 0, count("users_here")];
  const explained = count("unreadable") + count("dead") + count("retrying") - count("held") - count("foreign");
  return {
    run: run.id,
    kind: run.kind,
    applied: run.applies,
    columns: run.columns,
    status: isComplete ? "COMPLETED" : "RUNNING",
    seconds,
    readSeconds,
    requests,
    usersPerSecond: Math.round(count("read") / Math.max(0.001, readSeconds)),
    counts: run.counts,
    usersAtClerk: atClerk,
    usersHere: run.applies ? here : null,
    unexplained: run.applies && run.kind !== "sweep" ? atClerk - here - explained : 0,
    drift: driftKinds.reduce((sum, kind) => sum + count(kind), 0),
    records: recordKinds
      .filter(({ kind }) => run.counts[`${kind}_read`] !== undefined)
      .map(({ kind }) => sumRecords(kind, run.counts)),
    ...found,
  };
}

/** Kinds of difference that mean that something is to be mended. */
const driftKinds = [
  "missing",
  "stale",
  "ahead",
  "differs",
  "unmirrored",
  "extra",
  "auth_missing",
  "auth_differs",
  "auth_deleted",
  "auth_extra",
] as const;

/** What a run walks besides users, where it is stored. */
const recordKinds = [
  { kind: "organization", one: "organization", many: "organizations" },
  { kind: "membership", one: "membership", many: "memberships" },
  { kind: "role", one: "role", many: "roles" },
  { kind: "invitation", one: "invitation", many: "invitations" },
] as const;
const recordDrift = ["missing", "stale", "ahead", "differs", "extra"] as const;

/** The counts of one kind of records, whose names in a run begin with the kind. */
function sumRecords(kind: (typeof recordKinds)[number]["kind"], counts: RunReport["run"]["counts"]) {
  const count = (name: string) => counts[`${kind}_${name}`] ?? 0;
  const found = [...recordDrift, "foreign", "pending"].map((name) => ({ name, count: count(name) }));
  return {
    kind,
    read: count("read"),
    unreadable: count("unreadable"),
    drift: recordDrift.reduce((sum, name) => sum + count(name), 0),
    found: found.filter((each) => each.count > 0),
  };
}

/** Counts of what a run could not bring in order. */
const leftKinds = ["unreadable", "dead", "retrying", "held", "auth_deleted", "auth_unreadable", "auth_unread"] as const;

/** True when a person has nothing left to do or to look at. */
export function isInStep({ status, applied, drift, unexplained, counts, records }: RunSummary): boolean {
  const left = [...leftKinds.map((name) => counts[name] ?? 0), ...records.map(({ unreadable }) => unreadable)];
  const all = records.reduce((sum, each) => sum + each.drift, drift);
  return status === "COMPLETED" && left.every((count) => count === 0) && unexplained === 0 && (applied || all === 0);
}

/** The summary for a person. */
export function formatRun(summary: RunSummary): string[] {
  const { kind, counts, seconds, readSeconds, requests, usersPerSecond, status } = summary;
  const name = summary.applied ? kind : `Dry ${kind}`;
  return [
    `${name[0]?.toUpperCase()}${name.slice(1)} ${summary.run}: ${format(counts["read"] ?? 0)} users read in ${readSeconds.toFixed(1)} s ` +
      `(${format(usersPerSecond)}/s, ${format(requests)} requests to Clerk), ended after ${seconds.toFixed(1)} s`,
    ...(kind === "backfill" ? formatQueued(summary) : formatDrift(summary)),
    ...formatRecords(summary),
    ...formatLeft(summary),
    ...(status === "COMPLETED" ? formatTotals(summary) : [interrupted(summary.applied)]),
  ];
}

function interrupted(applied: boolean): string {
  return `Interrupted. The same command${applied ? ", or the processor," : ""} carries it on.`;
}

function formatQueued({ counts, columns }: RunSummary): string[] {
  if (columns !== null) {
    const names = columns.map((name) => JSON.stringify(name)).join(", ");
    return [
      `  ${format(counts["queued"] ?? 0)} queued for ${names}; ${format(counts["unchanged"] ?? 0)} have what Clerk says already`,
    ];
  }
  return [`  ${format(counts["queued"] ?? 0)} queued, ${format(counts["exists"] ?? 0)} were here and as new already`];
}

function formatDrift(summary: RunSummary): string[] {
  const { counts, drift, differences, moreDifferences, applied } = summary;
  const named = [...driftKinds, "edited", "foreign", "auth_foreign", "auth_address_held", "pending"].filter(
    (kind) => counts[kind],
  );
  const hidden = Math.max(0, differences.length - shownDifferences) + moreDifferences;
  return [
    ...differences.slice(0, shownDifferences).map(formatDifference),
    ...(hidden > 0 ? [`  … and ${format(hidden)} more; --json prints up to 10,000`] : []),
    `  ${format(drift)} users out of step${named.length === 0 ? "" : `: ${named.map((kind) => `${format(counts[kind] ?? 0)} ${kind}`).join(", ")}`}`,
    ...(drift > 0 && !applied ? ["Nothing was changed. --apply mends it."] : []),
  ];
}

/** A line for each kind of records that was walked. */
function formatRecords({ kind, records }: RunSummary): string[] {
  return records.map(({ kind: of, read, unreadable, drift, found }) => {
    const names = recordKinds.find((each) => each.kind === of);
    const named = found.map(({ name, count }) => `${format(count)} ${name}`).join(", ");
    const outOfStep = kind === "backfill" ? "" : `, ${format(drift)} out of step${named === "" ? "" : `: ${named}`}`;
    const left = unreadable === 0 ? "" : `; ${format(unreadable)} could not be read`;
    return `  ${format(read)} ${read === 1 ? names?.one : names?.many} read${outOfStep}${left}`;
  });
}

function formatDifference({ clerk_id, kind, fields }: Difference): string {
  if (Array.isArray(fields)) return `  ${clerk_id} ${kind}${fields.length === 0 ? "" : `: ${fields.join(", ")}`}`;
  const values = Object.entries(fields).map(
    ([name, { here, clerk, auth }]) =>
      `${name}: here ${JSON.stringify(here)}, ${auth === undefined ? `Clerk ${JSON.stringify(clerk)}` : `Auth ${JSON.stringify(auth)}`}`,
  );
  return `  ${clerk_id} ${kind}${values.length === 0 ? "" : `: ${values.join("; ")}`}`;
}

/** What did not get through, each with where to look. */
function formatLeft({ counts, unreadable }: RunSummary): string[] {
  const ids = unreadable.slice(0, shownIds).join(", ");
  const unread = `could not be read and were left out: ${ids}${unreadable.length > shownIds ? ", …" : ""}`;
  const lines: readonly (readonly [name: string, one: string, many?: string])[] = [
    ["unreadable", unread],
    ["dead", "dead letter: clerk-sync jobs list --status dead", "dead letters: clerk-sync jobs list --status dead"],
    [
      "retrying",
      "job failed and will be tried again: clerk-sync jobs list --status failed",
      "jobs failed and will be tried again: clerk-sync jobs list --status failed",
    ],
    [
      "held",
      "deletion waits for an operator: admin page, Overview, Delete brake",
      "deletions wait for an operator: admin page, Overview, Delete brake",
    ],
    [
      "auth_address_held",
      "has a placeholder in Supabase Auth, where another user holds the address: see docs/supabase-auth.md",
      "have a placeholder in Supabase Auth, where another user holds the address: see docs/supabase-auth.md",
    ],
    [
      "auth_deleted",
      "soft-deleted in Supabase Auth, which nothing but a deletion for good mends: see clerk-sync reconcile --help",
    ],
    [
      "auth_unreadable",
      "row of auth.users cannot be read by Supabase Auth, and was not compared: docs/errors.md, auth_user_failed, says what to do",
      "rows of auth.users cannot be read by Supabase Auth, and were not compared: docs/errors.md, auth_user_failed, says what to do",
    ],
  ];
  return [
    ...lines
      .filter(([name]) => counts[name])
      .map(([name, one, many = one]) => `  ${format(counts[name] ?? 0)} ${counts[name] === 1 ? one : many}`),
    ...(counts["auth_unread"]
      ? ["  Supabase Auth did not answer: its users were not all compared. Run this again."]
      : []),
  ];
}

function formatTotals({ applied, kind, usersAtClerk, usersHere, unexplained, counts }: RunSummary): string[] {
  if (!applied || kind === "sweep") return [];
  const totals = `  Clerk has ${format(usersAtClerk)} users, ${format(usersHere ?? 0)} are here`;
  if (unexplained === 0) return [totals];
  const more = unexplained > 0 ? "missing here" : "here that Clerk does not count";
  const waiting = (counts["queued"] ?? 0) > 0 ? "came, changed or went while this ran, or " : "";
  return [totals, `  ${format(Math.abs(unexplained))} ${more}: ${waiting}see clerk-sync reconcile, which names them`];
}
