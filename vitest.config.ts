import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "supabase/functions/_shared/clerk-sync/**/*.test.ts",
            "server/**/*.test.ts",
            "cli/**/*.test.ts",
            "bench/**/*.test.ts",
            "admin/src/**/*.test.ts",
            "tests/unit/**/*.test.ts",
          ],
        },
      },
      {
        test: {
          name: "integration",
          maxWorkers: 3, // half of the time a test waits for a process or a clock
          include: ["tests/integration/**/*.test.ts"],
          globalSetup: ["tests/support/start-postgres.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "schedules",
          maxWorkers: 2,
          include: ["tests/schedules/**/*.test.ts"],
          globalSetup: ["tests/support/start-postgres.ts"],
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
