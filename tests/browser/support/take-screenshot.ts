import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";

const folder = fileURLToPath(new URL("../../../.test-results/screenshots/", import.meta.url));

/** A colour on its way from one scheme to the other has no contrast yet, a navigation that slides away takes room. */
export async function endTransitions(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const animation of document.getAnimations()) if (animation instanceof CSSTransition) animation.finish();
  });
}

/**
 * The whole page as it is, into .test-results/screenshots, for a person to look at; in a window as high as the page, so
 * that what always fills the window, as the navigation does, is not cut off.
 */
export async function takeScreenshot(page: Page, name: string): Promise<void> {
  await endTransitions(page);
  const size = page.viewportSize() ?? { width: 1280, height: 860 };
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width: size.width, height: Math.max(height, size.height) });
  await page.screenshot({ path: `${folder}${name}.png`, fullPage: true, animations: "disabled" });
  await page.setViewportSize(size);
}
