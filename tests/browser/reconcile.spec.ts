import type { Page } from "@playwright/test";
import { expect, test } from "./support/admin-page.ts";
import { findPart } from "./support/find-part.ts";

async function choose(page: Page, kind: string): Promise<void> {
  await page.getByRole("radio", { name: kind }).click();
}

test("a dry run names who is missing, a run mends it, and the next finds nothing", async ({ open, system, signUp }) => {
  const id = await signUp({ isLost: true });
  const page = await open("/reconcile");
  await choose(page, "Compare");
  await page.getByRole("button", { name: "Dry run: only look" }).click();
  await expect(page.getByText(/out of step; nothing was changed\. Ended after/)).toBeVisible();
  await expect(page.getByRole("table", { name: "Differences" }).getByRole("row").filter({ hasText: id })).toContainText(
    "missing",
  );
  expect(await system.user(id)).toBeUndefined();
  await page.getByRole("button", { name: "Run and mend …" }).click();
  const question = page.getByRole("dialog", { name: "Run a compare and mend what it finds?" });
  await question.getByRole("button", { name: "Leave it" }).click();
  await page.getByRole("button", { name: "Run and mend …" }).click();
  await question.getByRole("button", { name: "Run the compare" }).click();
  await expect(page.getByText(/what was found is in the queue\. Ended after/)).toBeVisible();
  await system.settled(id);
  expect(await system.user(id)).toMatchObject({ clerk_id: id });
  await page.getByRole("button", { name: "Dry run: only look" }).click();
  await expect(page.getByText(/^0 users out of step; nothing was changed/)).toBeVisible();
  await page.getByRole("navigation").getByRole("link", { name: "Overview" }).click();
  await page.getByRole("main").getByRole("link", { name: "reconcile" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Reconcile" })).toBeVisible();
});

test("a run that waits for Clerk is paused, carried on and cancelled, and its page tells of it", async ({
  open,
  clerk,
  signUp,
}) => {
  await signUp();
  const page = await open("/reconcile");
  const slowDown = { status: 429, headers: { "retry-after": "600" } };
  clerk.failures.push(...Array.from({ length: 50 }, () => slowDown));
  await choose(page, "Backfill");
  await page.getByRole("button", { name: "Run and mend …" }).click();
  await page.getByRole("button", { name: "Run the backfill" }).click();
  const run = findPart(page, "Backfill");
  await run.getByRole("button", { name: "Pause" }).click();
  await run.getByRole("button", { name: "Carry it on from here" }).click();
  await run.getByRole("button", { name: "Pause" }).click();
  await expect(page.getByRole("button", { name: "Dry run: only look" })).toBeDisabled();
  await page.getByRole("link", { name: "Overview", exact: true }).first().click();
  await page.getByRole("main").getByRole("link", { name: "backfill" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Run: backfill" })).toBeVisible();
  await page.getByRole("button", { name: "Copy the run id" }).click();
  await page.getByRole("link", { name: "All runs" }).click();
  await run.getByRole("button", { name: "Cancel the run …" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Leave it" }).click();
  await run.getByRole("link", { name: "All its counts" }).click();
  await page.getByRole("button", { name: "Cancel the run …" }).click();
  await page.getByRole("button", { name: "Cancel the run", exact: true }).click();
  await expect(page.getByText("The backfill was cancelled.")).toBeVisible();
  await expect(findPart(page, "Progress")).toContainText("cancelled");
});

test.afterEach(({ clerk }) => {
  clerk.failures.length = 0;
});

test("a sweep looks at who changed, and leads to what it counted and whom it found", async ({ open, signUp }) => {
  const id = await signUp({ isLost: true, version: Date.now() - 1_763_900_000_000 });
  const page = await open("/reconcile");
  await choose(page, "Sweep");
  await page.getByRole("button", { name: "Dry run: only look" }).click();
  await page.getByRole("table", { name: "Differences" }).getByRole("link", { name: id }).click();
  await expect(page.getByRole("heading", { level: 1, name: "User" })).toBeVisible();
  await page.goBack();
  await page.getByRole("table", { name: "Runs" }).getByRole("link", { name: "dry sweep" }).first().click();
  await expect(page.getByRole("table", { name: "Counts" })).toContainText("missing");
});
