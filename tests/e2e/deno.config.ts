import { defineConfig } from "@playwright/test";
import node from "./playwright.config.ts";

const results = "../../.test-results/e2e-deno";

/** The same specs against the Edge Functions under Deno. */
export default defineConfig({
  ...node,
  outputDir: results,
  globalSetup: "./start-edge-system.ts",
  reporter: [["list"], ["json", { outputFile: `${results}.json` }]],
});
