import { defineConfig } from "@playwright/test";
import { findChromium } from "./support/find-chromium.ts";

const results = "../../.test-results/browser";

/** The admin page in a real Chromium, over a server as npm start runs it. */
export default defineConfig({
  testDir: ".",
  outputDir: results,
  globalSetup: "./support/start-browser-system.ts",
  workers: 1,
  // So long that no busy machine reaches them: a limit is for what hangs.
  timeout: 300_000,
  expect: { timeout: 60_000 },
  reporter: [["list"], ["json", { outputFile: `${results}.json` }]],
  use: {
    screenshot: "only-on-failure",
    launchOptions: await findChromium(),
    viewport: { width: 1280, height: 860 },
    locale: "en-US",
  },
  projects: [
    { name: "pages", testIgnore: "controls.spec.ts" },
    { name: "controls", testMatch: "controls.spec.ts", dependencies: ["pages"] },
  ],
});
