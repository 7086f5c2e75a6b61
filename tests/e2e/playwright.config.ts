import { defineConfig } from "@playwright/test";

const results = "../../.test-results/e2e";

export default defineConfig({
  testDir: ".",
  outputDir: results,
  globalSetup: "./start-system.ts",
  workers: 1,
  timeout: 60_000,
  reporter: [["list"], ["json", { outputFile: `${results}.json` }]],
});
