import type { Page } from "@playwright/test";
import { expect, newClerkId, test } from "./support/admin-page.ts";
import { findPart } from "./support/find-part.ts";
import { takeScreenshot } from "./support/take-screenshot.ts";

/** An alert while something is wrong, else a status. */
const verdict = (page: Page) =>
  page
    .getByRole("alert")
    .or(page.getByRole("status"))
    .filter({ has: page.getByRole("button", { name: "Resync from Clerk" }) });

async function search(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: /^Search by/ }).fill(text);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "User" })).toBeVisible();
}

test("why a user is missing whose webhook never came is seen, and a resync mends it", async ({
  open,
  system,
  signUp,
}) => {
  const id = await signUp({ isLost: true });
  const page = await open("/");
  await search(page, id);
  await expect(verdict(page)).toContainText(/event/i);
  await expect(verdict(page)).toContainText(/resync/i);
  const places = page.getByRole("table", { name: "Side by side" });
  await expect(places.getByRole("row", { name: /^Is there/ })).toContainText("yes");
  await expect(places.getByRole("columnheader", { name: "public.users" })).toBeVisible();
  await expect(places.getByRole("row", { name: /^role\s*public_metadata\.role/ })).toBeVisible();
  await expect(page.getByText("No job of this user is kept")).toBeVisible();
  await verdict(page).getByRole("link", { name: "Start a backfill" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Reconcile" })).toBeVisible();
  await page.goBack();
  await verdict(page).getByRole("button", { name: "Resync from Clerk" }).click();
  await expect(page.getByText("The user is read again from Clerk, at once.")).toBeVisible();
  await expect(verdict(page)).toContainText("In sync");
  expect(await system.user(id)).toMatchObject({ clerk_id: id });
  expect(await system.authUser(id)).not.toBeNull();
});

test("why a user is missing in Auth whose job is dead is seen, and a retry mends it", async ({
  open,
  signUpRefused,
}) => {
  const { id, free } = await signUpRefused();
  const page = await open("/");
  await search(page, id);
  await expect(verdict(page)).toContainText(/auth/i);
  await verdict(page).getByRole("link", { name: "The job that tells more" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Job: user created" })).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("auth_rejected");
  await expect(findPart(page, "What happened")).toContainText("Gave up after attempt 1");
  await page.getByRole("main").getByRole("link", { name: id }).click();
  await free();
  await verdict(page).getByRole("button", { name: "Retry the job" }).click();
  await expect(page.getByText("The job is due again.")).toBeVisible();
  await expect(verdict(page)).toContainText("In sync");
});

test("a user's timeline tells every event and what became of it", async ({ open, system, signUp }) => {
  const id = await signUp();
  await system.query("select public.clerk_sync_request_refresh(array[$1::text])", [id]);
  await system.settled(id);
  const page = await open(`/users/${id}`);
  const jobs = page.getByRole("table", { name: "Jobs of this user" }).getByRole("row");
  await expect(jobs.filter({ hasText: "webhook" })).toContainText("completed");
  await jobs.filter({ hasText: "webhook" }).getByRole("link", { name: "user created" }).click();
  await expect(findPart(page, "What happened")).toContainText("Attempt 1 began");
  await page.getByRole("link", { name: "All jobs" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Jobs" })).toBeVisible();
});

test("what a person typed as a name stays text, masked and revealed", async ({ open, page, signUp }) => {
  const name = "<img src=x onerror=document.title='run'>";
  const id = await signUp({ firstName: name });
  await open(`/users/${id}`);
  await expect(page.getByText("personal values are masked")).toBeVisible();
  await expect(page.getByText("onerror")).toBeHidden();
  await page.getByRole("button", { name: "Reveal" }).click();
  await page.getByRole("dialog", { name: "Reveal personal values?" }).getByRole("button", { name: "Reveal" }).click();
  await expect(page.getByRole("cell", { name }).first()).toBeVisible();
  await page.getByRole("button", { name: "Hide personal values" }).click();
  await expect(page.getByText("onerror")).toBeHidden();
  await page.getByRole("table", { name: "Jobs of this user" }).getByRole("link", { name: "user created" }).click();
  await page.getByRole("button", { name: "Reveal" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Reveal" }).click();
  await expect(page.getByText(name).first()).toBeVisible();
  expect(await page.title()).not.toBe("run");
  await expect(page.getByRole("img", { name: "" })).toHaveCount(0);
  await page.goto("/admin/audit");
  await expect(page.getByRole("row").filter({ hasText: "reveal" }).filter({ hasText: id }).first()).toContainText(
    "Ada",
  );
});

test("a job is retried and cancelled on its own page, and shows what it carries", async ({
  open,
  system,
  signUpRefused,
}) => {
  const { id } = await signUpRefused();
  const page = await open(`/jobs/${String((await system.jobs(id))[0]?.["id"])}`);
  await page.getByRole("button", { name: "Retry", exact: true }).click();
  await page.getByRole("button", { name: "Retry it" }).click();
  await expect(page.getByText("The job is due again.")).toBeVisible();
  await system.settled(id, ["DEAD"]);
  await expect(findPart(page, "What happened")).toContainText("Queued again, from the start");
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("button", { name: "Cancel it" }).click();
  await expect(findPart(page, "What happened")).toContainText("Cancelled");
  await expect(page.getByRole("button", { name: "Cancel", exact: true })).toBeDisabled();
  await page.getByRole("button", { name: "Close the message" }).first().click();
  await page.getByRole("button", { name: "Copy the job id" }).click();
  await page.getByRole("button", { name: "Copy the Clerk id" }).click();
  await page.getByRole("button", { name: "Copy the event id" }).click();
  await page.getByText("Payload", { exact: true }).last().click();
  await expect(page.getByText("original_event")).toBeHidden();
});

test("a job that changes after it was revealed is masked again", async ({ open, system, signUpRefused }) => {
  const { id, free } = await signUpRefused();
  await free();
  const page = await open(`/jobs/${String((await system.jobs(id))[0]?.["id"])}`);
  await page.getByRole("button", { name: "Reveal" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Reveal" }).click();
  await expect(page.getByText("revealed; it is in the audit")).toBeVisible();
  await page.getByRole("button", { name: "Retry", exact: true }).click();
  await page.getByRole("button", { name: "Retry it" }).click();
  await system.settled(id);
  await expect(page.getByText("Personal values are masked.")).toBeVisible();
  await expect(findPart(page, "What happened")).toContainText("Done, at attempt 1");
});

test("a job does not stand under the address of another", async ({ open, page, system, signUp, signUpRefused }) => {
  const [dead, done] = [(await signUpRefused()).id, await signUp()];
  const [deadJob, doneJob] = [await system.jobs(dead), await system.jobs(done)].map(([job]) => String(job?.["id"]));
  await open(`/jobs/${deadJob}`);
  await expect(page.getByRole("button", { name: "Retry", exact: true })).toBeEnabled();
  await page.route(`**/sync-admin/jobs/${doneJob}`, () => undefined); // no answer
  await page.evaluate((path) => history.pushState({}, "", path), `/admin/jobs/${doneJob}`);
  await page.evaluate(() => dispatchEvent(new PopStateEvent("popstate", { state: {} })));
  await expect(page.getByRole("status", { name: "Loading" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Retry", exact: true })).toBeHidden();
});

test("users are listed and found, and the list is read on", async ({ open, system, signUp }) => {
  const id = await signUp({ firstName: "Hedy" });
  await system.query(
    `insert into clerk_sync.records (id, deleted_at)
     select 'user_listed' || n || 'z', case when n > 60 then now() end from generate_series(1, 62) as n
     on conflict do nothing`,
  );
  const page = await open("/users");
  const rows = page.getByRole("table", { name: "Users" }).getByRole("row");
  await expect(rows).toHaveCount(51);
  await page.getByRole("button", { name: "Load more" }).click();
  await expect(rows.nth(60)).toBeVisible();
  await page.getByRole("textbox", { name: "Find users" }).fill("user_listed6");
  await expect(rows).toHaveCount(3); // 6z and 60z, below the names of the columns
  await page.getByRole("combobox", { name: "Show" }).click();
  await page.getByRole("option", { name: "Deleted users" }).click();
  await expect(rows).toHaveCount(3); // 61z and 62z
  await expect(rows.nth(1)).toContainText("deleted");
  await page.getByRole("textbox", { name: "Find users" }).fill(id);
  await expect(rows).toHaveCount(2); // who is named is found in both lists
  await rows.getByRole("link", { name: id }).click();
  await expect(verdict(page)).toContainText("In sync");
  await page.getByRole("button", { name: "Copy the Clerk id" }).click();
  await page.getByRole("link", { name: "All users" }).click();
  await page.getByRole("textbox", { name: "Find users" }).fill(newClerkId());
  await expect(page.getByText("Nobody is found")).toBeVisible();
  await page.getByRole("link", { name: /^Open user_/ }).click();
  await expect(page.getByText("No such user", { exact: true })).toBeVisible();
  await page.goBack();
  await page.getByRole("button", { name: "Show all users" }).click();
  await expect(rows.nth(50)).toBeVisible();
});

test("a search by name says that no index helps it, and finds the user once one does", async ({
  open,
  system,
  signUp,
}) => {
  const id = await signUp({ firstName: "Hedwig", lastName: "Kiesler" });
  const page = await open("/users?q=hedwig%20KIESLER");
  await expect(page.getByText("Nobody is found")).toBeVisible();
  const note = page.getByRole("note", { name: "What was not searched" });
  const remedy = "create index on public.users (lower(name));";
  await expect(note).toHaveText(`Not searched, because they have no index: name, image_url, role. For name: ${remedy}`);
  await system.query(remedy);
  await page.reload();
  await expect(page.getByRole("table", { name: "Users" })).toContainText(id);
  await expect(note).toContainText("no index: image_url, role.");
  await system.query("drop index public.users_lower_idx");
});

test("a text in the search on top leads to the users whose column holds it, and to what it was not searched in", async ({
  open,
  system,
  signUp,
}) => {
  const lonely = await signUp({ firstName: "Grete", lastName: "Hermann" });
  const both = [
    await signUp({ firstName: "Emmy", lastName: "Noether" }),
    await signUp({ firstName: "Emmy", lastName: "Noether" }),
  ];
  const page = await open("/");
  const enter = async (text: string) => {
    await page.getByRole("textbox", { name: /^Search by/ }).fill(text);
    await page.keyboard.press("Enter");
  };
  await enter("emmy noether");
  await expect(page.getByRole("heading", { level: 1, name: "Users" })).toBeVisible();
  await expect(page.getByRole("note", { name: "What was not searched" })).toContainText("no index: name");
  await takeScreenshot(page, "search-no-index");
  await system.query("create index on public.users (lower(name))");
  await enter("emmy NOETHER");
  const rows = page.getByRole("table", { name: "Users" }).getByRole("row");
  await expect(rows).toHaveCount(3);
  for (const id of both) await expect(rows.filter({ hasText: id })).toBeVisible();
  await expect(page).toHaveURL(/\/users\?q=emmy%20NOETHER$/);
  await takeScreenshot(page, "search-text");
  await enter("Grete Hermann");
  await expect(page.getByRole("heading", { level: 1, name: "User", exact: true })).toBeVisible();
  await expect(page).toHaveURL(new RegExp(`/users/${lonely}$`));
  await system.query("drop index public.users_lower_idx");
});

test("dead letters stand by their error with what to do; all of one error are retried", async ({
  open,
  system,
  signUpRefused,
}) => {
  const failed = [await signUpRefused(), await signUpRefused()];
  const page = await open("/dead-letters");
  const group = findPart(page, /auth_rejected/);
  await expect(group).toContainText("The error says which value it does not accept");
  await group.getByRole("link", { name: "An example" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Job: user created" })).toBeVisible();
  await page.goBack();
  await group.getByRole("link", { name: /of these jobs/ }).click();
  await expect(page.getByRole("table", { name: "Jobs" })).toContainText(failed[0]?.id ?? "");
  await page.goBack();
  for (const { free } of failed) await free();
  await group.getByRole("button", { name: "Retry all of auth_rejected" }).click();
  await page
    .getByRole("dialog")
    .getByRole("button", { name: /^Retry \d+ jobs$/ })
    .click();
  await expect(page.getByText(/^\d+ jobs are due again/)).toBeVisible();
  for (const { id } of failed) await system.settled(id);
});

test("all dead letters of one error are cancelled", async ({ open, system }) => {
  await system.query(
    `insert into job_queue (job_type, status, error, clerk_id)
     select 'USER_UPDATED', 'DEAD', 'made_up_again: 1', 'user_cancel' || n from generate_series(1, 3) as n`,
  );
  const page = await open("/dead-letters");
  await page.getByRole("button", { name: "Cancel all of made_up_again" }).click();
  await page.getByRole("button", { name: "Cancel 3 jobs" }).click();
  await expect(page.getByText("3 jobs are cancelled.", { exact: true })).toBeVisible();
  await expect(findPart(page, /made_up_again/)).toBeHidden();
});

test("a viewer finds out why a user is missing, and cannot mend, retry or reveal", async ({ open, signUpRefused }) => {
  const { id } = await signUpRefused();
  const page = await open(`/users/${id}`, "viewer");
  for (const name of ["Retry the job", "Resync from Clerk", "Reveal"]) {
    const button = page.getByRole("button", { name });
    await expect(button).toBeDisabled();
    await button.click({ force: true });
  }
  await expect(page.getByRole("dialog")).toBeHidden();
  await page.getByRole("link", { name: "The job that tells more" }).click();
  await expect(page.getByRole("button", { name: "Retry", exact: true })).toBeDisabled();
});
