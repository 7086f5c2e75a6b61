import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";

const folder = fileURLToPath(new URL("../../../.test-results/screenshots/", import.meta.url));

/** The whole page as it is, into .test-results/screenshots, for a person to look at. */
export async function takeScreenshot(page: Page, name: string): Promise<void> {
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: `${folder}${name}.png`, fullPage: true, animations: "disabled" });
}
