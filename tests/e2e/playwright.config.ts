import { defineConfig } from "@playwright/test";

const results = "../../.test-results/e2e";

export default defineConfig({
  testDir: ".",
  outputDir: results,
  globalSetup: "./start-system.ts",
  workers: 1,
  // So long that no busy machine reaches them: a limit is for what hangs.
  timeout: 300_000,
  expect: { timeout: 120_000 },
  reporter: [["list"], ["json", { outputFile: `${results}.json` }]],
});
