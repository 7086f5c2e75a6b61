import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "./support/admin-page.ts";
import { fillWithExamples } from "./support/example-data.ts";
import { endTransitions, takeScreenshot } from "./support/take-screenshot.ts";

// Each page in both colours: what axe says of it, whether it fits a phone, and a picture for a person to look at.

async function look(page: Page, name: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width: 1280, height: 860 });
    await expect(page.locator("html")).toHaveAttribute("data-mantine-color-scheme", colorScheme);
    await endTransitions(page);
    const { violations } = await new AxeBuilder({ page }).options({ resultTypes: ["violations"] }).analyze();
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 300)).join("\n")}`);
    expect.soft(told, `${name}, ${colorScheme}`).toEqual([]);
    await takeScreenshot(page, `${name}-${colorScheme}`);
    await page.setViewportSize({ width: 390, height: 844 });
    await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth), name).toBeLessThanOrEqual(390);
    await takeScreenshot(page, `${name}-${colorScheme}-phone`);
  }
}

test("the login has no serious fault of access, in light and dark", async ({ page }) => {
  await page.goto("/admin");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await look(page, "login");
});

test("no page has a serious fault of access, in light and dark, nor is wider than a phone", async ({
  open,
  page,
  system,
  clerk,
  signUp,
  signUpRefused,
}) => {
  const examples = await fillWithExamples(system, clerk);
  const [ada, missing, refused] = [await signUp(), await signUp({ isLost: true }), await signUpRefused()];
  await system.query(
    "update clerk_sync.circuits set failures = 5, probe_at = now() + interval '9 minutes', last_error = 'clerk_unavailable' where name = 'clerk'",
  );
  await open("/reconcile");
  await page.getByRole("button", { name: "Dry run: only look" }).click();
  await expect(page.getByRole("table", { name: "Differences" })).toBeVisible();
  await look(page, "reconcile");
  const paths = {
    overview: { path: "/", heading: "Overview" },
    "overview-week": { path: "/?window=7d", heading: "Overview" },
    jobs: { path: "/jobs", heading: "Jobs" },
    job: { path: `/jobs/${String((await system.jobs(refused.id))[0]?.["id"] ?? examples.deadJob)}`, heading: "Job" },
    "dead-letters": { path: "/dead-letters", heading: "Dead letters" },
    users: { path: "/users", heading: "Users" },
    "users-search": { path: "/users?q=Ada%20Lovelace", heading: "Users" },
    user: { path: `/users/${ada}`, heading: "User" },
    "user-missing": { path: `/users/${missing}`, heading: "User" },
    "user-dead": { path: `/users/${refused.id}`, heading: "User" },
    audit: { path: "/audit", heading: "Audit" },
    nowhere: { path: "/nowhere", heading: "Not found" },
  };
  for (const [name, { path, heading }] of Object.entries(paths)) {
    await page.goto(`/admin${path}`);
    await expect(page.getByRole("heading", { level: 1, name: heading })).toBeVisible();
    await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
    await look(page, name);
  }
  await page.goto("/admin/reconcile");
  await page.getByRole("table", { name: "Runs" }).getByRole("link").first().click();
  await expect(page.getByRole("table", { name: "Counts" })).toBeVisible();
  await look(page, "run");
  await system.query("select public.clerk_sync_reset_circuit('clerk')");
});
