import { describe, expect, test } from "vitest";
import { newRun } from "../../tests/support/database/fake-runs-database.ts";
import { formatRun, isInStep, summariseRun } from "./report-run.ts";
import type { RunReport } from "./walk-run.ts";

function report(run: Parameters<typeof newRun>, changes: Partial<RunReport> = {}) {
  const found = { requests: 7, differences: [], moreDifferences: 0, unreadable: [], seconds: 4, readSeconds: 2 };
  return summariseRun({ run: newRun(...run), isComplete: true, ...found, ...changes });
}

describe("a backfill", () => {
  test("whose counts agree is in step", () => {
    const summary = report([
      "backfill",
      { users_at_clerk: 20, counts: { read: 20, queued: 15, exists: 5, users_here: 20 } },
    ]);
    expect(isInStep(summary)).toBe(true);
    expect(formatRun(summary)).toEqual([
      "Backfill run-1: 20 users read in 2.0 s (10/s, 7 requests to Clerk), ended after 4.0 s",
      "  15 queued, 5 were here and as new already",
      "  Clerk has 20 users, 20 are here",
    ]);
  });

  test("of some columns says which, and how many users have what Clerk says", () => {
    const counts = { read: 20, queued: 15, unchanged: 5, users_here: 20 };
    const summary = report(["backfill", { users_at_clerk: 20, columns: ["image_url", "plan"], counts }]);
    expect([isInStep(summary), formatRun(summary)[1]]).toEqual([
      true,
      '  15 queued for "image_url", "plan"; 5 have what Clerk says already',
    ]);
  });

  test("explains every user that is missing", () => {
    const counts = { read: 18, queued: 18, users_here: 14, unreadable: 2, dead: 3, retrying: 1 };
    const summary = report(["backfill", { users_at_clerk: 20, counts }], { unreadable: ["user_a", "user_b"] });
    expect(isInStep(summary)).toBe(false);
    expect(summary.unexplained).toBe(0);
    expect(formatRun(summary).slice(2)).toEqual([
      "  2 could not be read and were left out: user_a, user_b",
      "  3 dead letters: clerk-sync jobs list --status dead",
      "  1 job failed and will be tried again: clerk-sync jobs list --status failed",
      "  Clerk has 20 users, 14 are here",
    ]);
  });

  test("sends whoever has more users than Clerk to reconcile", () => {
    const summary = report(["backfill", { users_at_clerk: 20, counts: { read: 20, exists: 20, users_here: 23 } }]);
    expect(isInStep(summary)).toBe(false);
    expect(formatRun(summary).at(-1)).toBe(
      "  3 here that Clerk does not count: see clerk-sync reconcile, which names them",
    );
  });

  test("that was interrupted says how it goes on", () => {
    const summary = report(["backfill", { counts: { read: 5 } }], { isComplete: false });
    expect(isInStep(summary)).toBe(false);
    expect(formatRun(summary).at(-1)).toBe("Interrupted. The same command, or the processor, carries it on.");
  });
});

describe("a reconcile", () => {
  const counts = { read: 9, missing: 1, extra: 1, edited: 2, pending: 3 };

  test("that is dry and finds something is not in step, and changes nothing", () => {
    const summary = report(["compare", { applies: false, counts }], {
      differences: [
        { clerk_id: "user_a", kind: "missing", fields: [] },
        { clerk_id: "user_b", kind: "differs", fields: { role: { clerk: "admin", here: "user" } } },
      ],
    });
    expect(isInStep(summary)).toBe(false);
    expect(formatRun(summary).slice(1)).toEqual([
      "  user_a missing",
      '  user_b differs: role: here "user", Clerk "admin"',
      "  2 users out of step: 1 missing, 1 extra, 2 edited, 3 pending",
      "Nothing was changed. --apply mends it.",
    ]);
  });

  test("that applied is in step when nothing is left, and edited names are no drift", () => {
    const left = { users_here: 9, held: 0 };
    expect(isInStep(report(["compare", { users_at_clerk: 9, counts: { ...counts, ...left } }]))).toBe(true);
    expect(isInStep(report(["compare", { users_at_clerk: 9, counts: { ...counts, users_here: 10, held: 1 } }]))).toBe(
      false,
    );
    expect(isInStep(report(["compare", { applies: false, counts: { read: 9, edited: 2 } }]))).toBe(true);
  });

  test("names what differs in Supabase Auth, and is not in step while that was not looked through", () => {
    const summary = report(["compare", { applies: false, counts: { read: 9, auth_differs: 1, auth_foreign: 1 } }], {
      differences: [
        { clerk_id: "user_a", kind: "auth_differs", fields: { role: { here: "user", auth: "admin" } } },
        { clerk_id: "user_b", kind: "auth_foreign", fields: [] },
      ],
    });
    expect(formatRun(summary).slice(1)).toEqual([
      '  user_a auth_differs: role: here "user", Auth "admin"',
      "  user_b auth_foreign",
      "  1 users out of step: 1 auth_differs, 1 auth_foreign",
      "Nothing was changed. --apply mends it.",
    ]);
    const applied = (counts: Record<string, number>) =>
      report(["compare", { users_at_clerk: 9, counts: { read: 9, users_here: 9, ...counts } }]);
    expect(isInStep(applied({ auth_missing: 2, auth_extra: 1, auth_foreign: 1 }))).toBe(true);
    expect(isInStep(applied({ auth_deleted: 1 }))).toBe(false);
    const unread = applied({ auth_unread: 1 });
    expect(isInStep(unread)).toBe(false);
    expect(formatRun(unread)).toContain(
      "  Supabase Auth did not answer: its users were not all compared. Run this again.",
    );
  });

  test("shows fifty differences and counts the others", () => {
    const differences = Array.from({ length: 60 }, (_, n) => ({
      clerk_id: `u${n}`,
      kind: "stale" as const,
      fields: [],
    }));
    const lines = formatRun(report(["compare", { counts: { stale: 65 } }], { differences, moreDifferences: 5 }));
    expect(lines.filter((line) => line.endsWith("stale"))).toHaveLength(51);
    expect(lines).toContain("  … and 15 more; --json prints up to 10,000");
  });
});

describe("organizations and what belongs to them", () => {
  const users = { read: 20, users_here: 20 };
  const found = {
    organization_read: 10,
    membership_read: 1200,
    membership_extra: 2,
    membership_missing: 1,
    role_read: 1,
  };

  test("have a line of their own for each kind that was walked", () => {
    const compare = report(["compare", { users_at_clerk: 20, applies: true, counts: { ...users, ...found } }]);
    expect(formatRun(compare).slice(2, 5)).toEqual([
      "  10 organizations read, 0 out of step",
      "  1,200 memberships read, 3 out of step: 1 missing, 2 extra",
      "  1 role read, 0 out of step",
    ]);
    const backfill = report(["backfill", { users_at_clerk: 20, counts: { ...users, organization_read: 10 } }]);
    expect(formatRun(backfill)[2]).toBe("  10 organizations read");
  });

  test("that differ are not in step after a dry run, and those that cannot be read never are", () => {
    const dry = (counts: Record<string, number>) =>
      isInStep(report(["compare", { users_at_clerk: 20, applies: false, counts: { ...users, ...counts } }]));
    expect(dry({ organization_read: 10 })).toBe(true);
    expect(dry(found)).toBe(false);
    const counts = { ...users, membership_read: 5, membership_unreadable: 1 };
    const summary = report(["backfill", { users_at_clerk: 20, counts }]);
    expect(isInStep(summary)).toBe(false);
    expect(formatRun(summary)[2]).toBe("  5 memberships read; 1 could not be read");
  });
});
