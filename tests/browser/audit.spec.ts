import type { Page } from "@playwright/test";
import { expect, test } from "./support/admin-page.ts";

const rowsOf = (page: Page) => page.getByRole("table", { name: "Audit" }).getByRole("row");

test("what was just done stands in the audit, with who, to what, and leads there", async ({ open, signUpRefused }) => {
  const { id } = await signUpRefused();
  const page = await open(`/jobs?clerk_id=${id}`);
  await page.getByRole("checkbox", { name: "Select all that are shown" }).check();
  await page.getByRole("button", { name: "Cancel selected" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByText("1 job is cancelled.")).toBeVisible();
  await page.getByRole("link", { name: "Audit" }).click();
  const entry = rowsOf(page).filter({ hasText: "cancel_jobs" }).first();
  await expect(entry).toContainText("Ada");
  await entry.getByRole("link").click();
  await expect(page.getByRole("heading", { level: 1, name: "Job: user created" })).toBeVisible();
});

test("on a phone an entry says who did it and leads to what it is about, too", async ({ open, page, signUp }) => {
  const id = await signUp();
  await open(`/users/${id}`);
  await page.getByRole("button", { name: "Resync from Clerk" }).click();
  await expect(page.getByText("The user is read again from Clerk, at once.")).toBeVisible();
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`/admin/audit?subject=${id}`);
  await expect(rowsOf(page).nth(1)).toContainText("had a user read again");
  await expect(rowsOf(page).nth(1).getByText("Ada · resync_user")).toBeVisible();
  await rowsOf(page).nth(1).getByRole("link", { name: id }).click();
  await expect(page.getByRole("heading", { level: 1, name: "User" })).toBeVisible();
});

test("the filters stand in the address, and a reload keeps them", async ({ open, system }) => {
  await system.query(
    `insert into clerk_sync.audit (kind, at, source, subject, code, count, last_at, detail)
     values ('burst', now(), 'made up', 'nothing', 'made_up', 3001, now(), '{"events": 3001}')`,
  );
  const page = await open("/audit");
  await page.getByRole("combobox", { name: "Kind" }).click();
  await page.getByRole("option", { name: "unusually many events" }).click();
  await page.getByRole("combobox", { name: "Since" }).click();
  await page.getByRole("option", { name: "Last 24 hours" }).click();
  await page.getByRole("textbox", { name: "Source" }).fill("made up");
  await page.getByRole("textbox", { name: "Subject" }).fill("nothing");
  await expect(page).toHaveURL(/kind=burst&since=24h&source=made\+up&subject=nothing/);
  await page.reload();
  await expect(rowsOf(page)).toHaveCount(2);
  await rowsOf(page).nth(1).getByText("detail").click();
  await expect(page.getByText('"events": 3001')).toBeVisible();
  await page.getByRole("textbox", { name: "Source" }).fill("nobody");
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.getByRole("button", { name: "Take out all filters" }).click();
  await expect(page).toHaveURL(/\/audit$/);
  await expect(page.getByRole("textbox", { name: "Source" })).toHaveValue("");
});

test("a long audit is read on", async ({ open, system }) => {
  await system.query(
    `insert into clerk_sync.audit (kind, at, source, subject, code, last_at)
     select 'flapping_user', now() - interval '1 minute' * n, 'long', 'user_' || n, '', now() - interval '1 minute' * n
     from generate_series(1, 60) as n`,
  );
  const page = await open("/audit?source=long");
  await expect(rowsOf(page)).toHaveCount(51);
  await page.getByRole("button", { name: "Load more" }).click();
  await expect(rowsOf(page)).toHaveCount(61);
});
