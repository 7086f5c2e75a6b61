import { defineConfig } from "vitest/config";

/** Tests of tests/integration that take long, and run in npm run test:long: loads, Deno, a schedule's real minute. */
const long = [
  "admin/admin-plans",
  "mirror/auth-outage",
  "reconcile/backfill",
  "reconcile/backfill-process",
  "reconcile/backfill-trouble",
  "reconcile/reconcile",
  "reconcile/reconcile-auth",
  "worker/crashes",
  "admin/edge-admin",
  "alerts/edge-alerts",
  "mapping/apply-random-tables",
  "mapping/check-random-tables",
  "edge/changed-mapping",
  "edge/edge-functions",
  "edge/team-cases",
  "reconcile/edge-runs",
  "cli/getting-started",
  "worker/hostile-tables",
  "cli/init",
  "cli/init-functions",
  "webhook/load",
  "mirror/native-sign-in",
  "worker/outages",
  "database/other-tools",
  "cli/package",
  "cli/verify",
  "database/plans",
  "database/poolers",
  "database/schedule",
  "organizations/large-runs",
  "server/server-process",
  "health/sync-health",
  "database/migrate-command",
  "database/objects",
  "organizations/helpers-schema",
  "organizations/large-organization",
  "organizations/token-helpers",
  "reconcile/fill-columns",
].map((name) => `tests/integration/${name}.test.ts`);

/** So long that no busy machine reaches it: a limit is for what hangs. A soak has larger numbers. */
const limit = 600_000 * Number(process.env["SOAK"] ?? 1);
const patience = { testTimeout: limit, hookTimeout: limit, expect: { poll: { timeout: 120_000 } } };

const integration = {
  maxWorkers: 3, // half of the time a test waits for a process or a clock
  globalSetup: ["tests/support/database/start-postgres.ts"],
  ...patience,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          isolate: false, // modules are loaded once a process: half of the time
          include: [
            "supabase/functions/_shared/clerk-sync/**/*.test.ts",
            "server/**/*.test.ts",
            "local/**/*.test.ts",
            "mapping/**/*.test.ts",
            "cli/**/*.test.ts",
            "bench/**/*.test.ts",
            "admin/src/**/*.test.ts",
            "tests/unit/**/*.test.ts",
          ],
          ...patience,
        },
      },
      { test: { name: "integration", include: ["tests/integration/**/*.test.ts"], exclude: long, ...integration } },
      { test: { name: "integration-long", include: long, ...integration } },
      {
        test: {
          name: "schedules",
          maxWorkers: 2,
          include: ["tests/schedules/**/*.test.ts"],
          globalSetup: ["tests/support/database/start-postgres.ts"],
          ...patience,
        },
      },
    ],
  },
});
