import type { Page } from "@playwright/test";
import { expect, test } from "./support/admin-page.ts";
import { countReadings, findPart } from "./support/find-part.ts";
import { takeScreenshot } from "./support/take-screenshot.ts";
import { holdDeletions, openCircuit } from "./support/troubles.ts";

test("each reason of health has its remedy and leads to where it is seen", async ({ open, system }) => {
  await openCircuit(system);
  const page = await open("/");
  const health = findPart(page, "Health");
  const reason = health.getByRole("listitem").filter({ hasText: "circuit_open" });
  await expect(reason).toContainText(/since/);
  await expect(reason.getByText(/key|reach|service|Clerk/i).first()).toBeVisible();
  await reason.getByRole("link", { name: "Show the circuits" }).click();
  await expect(page).toHaveURL(/#circuits$/);
  await expect(findPart(page, "Circuits")).toBeInViewport();
});

test("an object of the sync that another tool changed is named, with the command that restores it", async ({
  open,
  system,
}) => {
  await system.query("alter table public.job_queue disable trigger record_edit");
  try {
    const page = await open("/");
    const reason = findPart(page, "Health").getByRole("listitem").filter({ hasText: "objects_changed" });
    await expect(reason).toContainText("trigger record_edit on public.job_queue");
    await expect(reason).toContainText("clerk-sync migrate --repair");
    await takeScreenshot(page, "objects-changed");
  } finally {
    await system.query("alter table public.job_queue enable trigger record_edit");
  }
});

test("a circuit that is open is reset, after a question", async ({ open, system }) => {
  await openCircuit(system);
  const page = await open("/");
  const circuits = findPart(page, "Circuits");
  await expect(circuits).toContainText("clerk_unavailable");
  await expect(circuits.getByRole("button", { name: "Reset Supabase Auth" })).toBeDisabled();
  await circuits.getByRole("button", { name: "Reset Clerk's API" }).click();
  const question = page.getByRole("dialog", { name: "Call Clerk's API again?" });
  await question.getByRole("button", { name: "Leave it" }).click();
  await expect(circuits.getByText("open", { exact: true })).toBeVisible();
  await circuits.getByRole("button", { name: "Reset Clerk's API" }).click();
  await question.getByRole("button", { name: "Reset the circuit" }).click();
  await expect(page.getByText("Calls to Clerk's API go through again.")).toBeVisible();
  await expect(circuits.getByText("open", { exact: true })).toBeHidden();
});

test("deletions that the brake holds are cancelled, and the users stay", async ({ open, system, signUp }) => {
  const ids = [await signUp(), await signUp()];
  await holdDeletions(system, ids);
  const page = await open("/");
  const brake = findPart(page, "Delete brake");
  await expect(brake).toContainText("2 deletions wait");
  await page.getByRole("link", { name: "Show the delete brake" }).click();
  await brake.getByRole("link", { name: "2 deletions wait" }).click();
  await expect(page.getByRole("table", { name: "Jobs" })).toContainText(ids[0] ?? "");
  await page.goBack();
  await brake.getByRole("button", { name: "Cancel the deletions …" }).click();
  await page.getByRole("button", { name: "Cancel 2 deletions" }).click();
  await expect(page.getByText("2 deletions were cancelled.")).toBeVisible();
  await expect(brake).toContainText("no deletion waits");
  await expect(brake).toContainText("last released");
  expect(await system.user(ids[0] ?? "")).toBeDefined();
});

test("deletions that the brake holds are applied only after typing how many", async ({
  open,
  system,
  signUp,
  clerk,
}) => {
  const ids = [await signUp(), await signUp(), await signUp()];
  for (const id of ids) clerk.users.delete(id);
  await holdDeletions(system, ids);
  const page = await open("/");
  await findPart(page, "Delete brake").getByRole("button", { name: "Apply the deletions …" }).click();
  const question = page.getByRole("dialog", { name: "Delete these users?" });
  const apply = question.getByRole("button", { name: "Delete 3 users" });
  await expect(apply).toBeDisabled();
  await question.getByRole("textbox", { name: "Type delete 3 to confirm" }).fill("delete 3");
  await apply.click();
  await expect(page.getByText("3 deletions are applied.")).toBeVisible();
  await expect.poll(() => system.user(ids[0] ?? "")).toBeUndefined();
});

test("the charts show an hour, a day or a week, and the address keeps which", async ({ open, signUp }) => {
  await signUp();
  const page = await open("/");
  const charts = findPart(page, "Over time");
  await expect(charts.getByRole("img")).toHaveCount(3);
  for (const [name, window] of [
    ["7 days", "7d"],
    ["24 hours", "24h"],
    ["1 hour", "1h"],
  ] as const) {
    await charts.getByRole("radio", { name }).press("Space");
    await expect(page).toHaveURL(new RegExp(`window=${window}`));
    await expect(charts.getByRole("radio", { name })).toBeChecked(); // drawn later than the address changes
    await expect(charts.getByRole("figure", { name: "Errors" })).toBeVisible();
  }
  await charts.getByRole("radio", { name: "24 hours" }).press("Space");
  await expect(page).toHaveURL(/window=24h/);
  await page.reload();
  await expect(charts.getByRole("radio", { name: "24 hours" })).toBeChecked();
  await expect(charts.getByRole("figure", { name: "Jobs per minute" })).toContainText(/received/);
});

test("what is shown is read again by itself, unless it was stopped", async ({ page, open }) => {
  await page.clock.install();
  await open("/");
  await expect(findPart(page, "Health")).toBeVisible();
  const readings = countReadings(page, "/overview");
  await page.clock.runFor(11_000);
  await expect.poll(readings.count).toBeGreaterThan(0);
  await page.getByRole("button", { name: "Stop refreshing by itself" }).click();
  readings.reset();
  await page.clock.runFor(60_000);
  expect(readings.count()).toBe(0);
  await page.getByRole("button", { name: "Refresh by itself again" }).click();
  await page.clock.runFor(11_000);
  await expect.poll(readings.count).toBeGreaterThan(0);
});

/** Chromium without a window hides no tab: the page is told that it is hidden. */
async function hide(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(
    (state) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, value: state });
      document.dispatchEvent(new Event("visibilitychange"));
    },
    isHidden ? "hidden" : "visible",
  );
}

test("a tab that is hidden asks nothing, and asks at once when it is seen again", async ({ page, open }) => {
  await page.clock.install();
  await open("/");
  await expect(findPart(page, "Over time")).toBeVisible();
  await page.clock.runFor(6000);
  await hide(page, true);
  const readings = countReadings(page, "/sync-admin/");
  await page.clock.runFor(120_000);
  expect(readings.count()).toBe(0);
  await hide(page, false);
  await page.clock.runFor(1000);
  await expect.poll(readings.count).toBeGreaterThan(0);
});

test("dead letters are a reason, and lead to them", async ({ open, signUpRefused }) => {
  await signUpRefused();
  const page = await open("/");
  await page.getByRole("link", { name: "Show the dead letters" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Dead letters" })).toBeVisible();
  await findPart(page, /auth_rejected/)
    .getByRole("link", { name: /^(The job|All of these jobs)$/ })
    .click();
  await expect(page.getByRole("heading", { level: 1, name: "Jobs" })).toBeVisible();
});

test("every link of the overview leads to a page that exists", async ({ open }) => {
  const page = await open("/");
  const links = page.getByRole("main").getByRole("link");
  await expect(findPart(page, "Jobs by status").getByRole("link")).toHaveCount(6);
  for (let place = 0, count = await links.count(); place < count; place++) {
    await links.nth(place).click();
    await expect(page).not.toHaveURL(/\/admin\/$/);
    await expect(page.getByRole("heading", { level: 1, name: /^(?!Not found)/ })).toBeVisible();
    await page.goBack();
    await expect(links).toHaveCount(count);
  }
});
