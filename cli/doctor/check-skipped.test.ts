import { expect, test } from "vitest";
import { explainSkipped } from "./check-skipped.ts";

const last_at = "2026-11-20T10:00:00+00:00";

test("each kind that could be stored is named with how many events came, and with the setting that would store it", () => {
  const findings = explainSkipped(
    [
      { kind: "organizationMembership", events: 1312, last_at, setting: "memberships" },
      { kind: "role", events: 1, last_at, setting: "roles" },
    ],
    { isSupabase: true },
  );
  expect(findings.map(({ check, state, what }) => [check, state, what])).toEqual([
    ["kinds", "warning", "organizationMembership: 1,312 events came in 7 days and are not stored"],
    ["kinds", "warning", "role: 1 event came in 7 days and is not stored"],
  ]);
  expect(findings.map((finding) => "remedy" in finding && finding.remedy)).toEqual([
    expect.stringContaining('add "memberships": true to clerk-sync.config.json (they need "organizations", too)'),
    expect.stringContaining('add "roles": true to clerk-sync.config.json. Then run'),
  ]);
});

test("of kinds that no setting stores nothing is said", () => {
  expect(explainSkipped([{ kind: "session", events: 5000, last_at, setting: null }], { isSupabase: true })).toEqual([]);
});

test("a server of the user's is migrated by clerk-sync", () => {
  const kinds = [{ kind: "role", events: 1, last_at, setting: "roles" }];
  expect(explainSkipped(kinds, { isSupabase: false })[0]).toMatchObject({
    remedy: expect.stringContaining("npx clerk-sync migrate, and restart each server."),
  });
});
