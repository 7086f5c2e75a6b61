import type { Locator, Page } from "@playwright/test";

/** A part of a page by its heading. */
export function findPart(page: Page, name: string | RegExp): Locator {
  return page.getByRole("region", { name });
}

/** Counts from now on what the page asks of the API. */
export function countReadings(page: Page, path: string): { count: () => number; reset: () => void } {
  let asked = 0;
  page.on("request", (request) => {
    if (request.url().includes(path)) asked += 1;
  });
  return {
    count: () => asked,
    reset: () => {
      asked = 0;
    },
  };
}
