import type { Page } from "@playwright/test";
import { expect, test } from "./support/admin-page.ts";

const rowsOf = (page: Page) => page.getByRole("table", { name: "Jobs" }).getByRole("row");
const rowOf = (page: Page, clerkId: string) => rowsOf(page).filter({ hasText: clerkId });

test("a job that failed is found, says why, is retried and is seen done", async ({ open, signUpRefused }) => {
  const { id, free } = await signUpRefused();
  const page = await open("/");
  await page.getByRole("link", { name: "Jobs", exact: true }).click();
  await page.getByRole("tab", { name: /^dead/ }).click();
  await page.getByRole("textbox", { name: "User" }).fill(id);
  await expect(page).toHaveURL(/clerk_id=/);
  await expect(rowOf(page, id)).toContainText("auth_rejected");
  await free();
  await rowOf(page, id).getByRole("checkbox").check();
  await page.getByRole("button", { name: "Retry selected" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Retry" }).click();
  await expect(page.getByText("1 job is due again.")).toBeVisible();
  await page.getByRole("tab", { name: /^completed/ }).click();
  await expect(rowOf(page, id)).toContainText("done");
});

test("all that match one error are counted, retried with progress, and seen done", async ({
  open,
  system,
  signUpRefused,
}) => {
  const failed = [await signUpRefused(), await signUpRefused(), await signUpRefused()];
  for (const { free } of failed) await free();
  const page = await open("/jobs?status=DEAD&code=auth_rejected");
  for (const { id } of failed) await expect(rowOf(page, id)).toBeVisible();
  const dead = (await rowsOf(page).count()) - 1;
  await page.getByRole("button", { name: "Retry all that match" }).click();
  const question = page.getByRole("dialog", { name: `Retry ${dead} jobs?` });
  await question.getByRole("button", { name: "Leave it" }).click();
  await expect(rowsOf(page)).toHaveCount(dead + 1);
  await page.getByRole("button", { name: "Retry all that match" }).click();
  await question.getByRole("button", { name: `Retry ${dead} jobs` }).click();
  await expect(page.getByText(`${dead} jobs are due again.`, { exact: true })).toBeVisible();
  for (const { id } of failed) await system.settled(id);
  await expect(page.getByText("No job matches")).toBeVisible();
});

test("work on all that match is stopped in the middle", async ({ open, page, system }) => {
  await system.query(
    `insert into job_queue (job_type, status, error, clerk_id)
     select 'USER_UPDATED', 'DEAD', 'made_up: 1', 'user_stop' || n from generate_series(1, 3) as n`,
  );
  await page.route("**/jobs/retry", async (route) => {
    const body = { ...route.request().postDataJSON(), limit: 1 };
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await route.continue({ postData: JSON.stringify(body) });
  });
  await open("/jobs?code=made_up&status=DEAD");
  await page.getByRole("button", { name: "Retry all that match" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Retry 3 jobs" }).click();
  await expect(page.getByText(/^1 jobs? (is|are) due again/)).toBeVisible();
  await expect(rowsOf(page)).toHaveCount(3);
  await page.unroute("**/jobs/retry");
  await page.getByRole("button", { name: "Cancel all that match" }).click();
  await page.getByRole("button", { name: "Cancel 2 jobs" }).click();
  await expect(page.getByText("2 jobs are cancelled.", { exact: true })).toBeVisible();
});

test("selected jobs are cancelled", async ({ open, signUpRefused }) => {
  const { id } = await signUpRefused();
  const page = await open(`/jobs?clerk_id=${id}`);
  await page.getByRole("checkbox", { name: "Select all that are shown" }).check();
  await page.getByRole("button", { name: "Cancel selected" }).click();
  await page.getByRole("dialog", { name: "Cancel one job?" }).getByRole("button", { name: "Cancel" }).click();
  await expect(rowOf(page, id)).toContainText("cancelled");
});

test("each status has its tab, and each row leads to its job and its user", async ({ open, signUp }) => {
  const id = await signUp();
  const page = await open("/jobs");
  for (const name of ["dead", "failed", "pending", "processing", "cancelled", "completed"]) {
    await page.getByRole("tab", { name: new RegExp(`^${name}`) }).click();
    await expect(page).toHaveURL(new RegExp(`status=${name.toUpperCase()}`));
  }
  await page.getByRole("tab", { name: "All" }).click();
  await rowOf(page, id).getByRole("link", { name: "user created" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Job: user created" })).toBeVisible();
  await page.getByText("Result", { exact: true }).click();
  await page.goBack();
  await rowOf(page, id).getByRole("link", { name: id }).click();
  await expect(page.getByRole("heading", { level: 1, name: "User" })).toBeVisible();
});

test("jobs are searched and filtered, and the address keeps by what", async ({ open, signUp }) => {
  const [ada, grace] = [await signUp({ firstName: "Ada" }), await signUp({ firstName: "Grace" })];
  const page = await open("/jobs");
  await page.getByRole("main").getByRole("textbox", { name: "Search" }).fill(`${ada.toLowerCase()}@example.com`);
  await expect(rowOf(page, ada)).toBeVisible();
  await expect(rowOf(page, grace)).toBeHidden();
  for (const [name, option, filter] of [
    ["Type", "created", "job_type"],
    ["Source", "webhook", "source"],
    ["Received", "Last hour", "since"],
  ] as const) {
    await page.getByRole("combobox", { name }).click();
    await page
      .getByRole("option", { name: new RegExp(option, "i") })
      .first()
      .click();
    await expect(page).toHaveURL(new RegExp(`[?&]${filter}=`));
    await expect(rowOf(page, ada)).toBeVisible();
  }
  await page.reload();
  await expect(rowOf(page, ada)).toBeVisible();
  await expect(rowOf(page, grace)).toBeHidden();
  await page.getByRole("combobox", { name: "Received" }).click();
  await page.getByRole("option", { name: "From … to …" }).click();
  await page.getByLabel("From", { exact: true }).fill("2019-01-01T08:00");
  await page.getByLabel("Before", { exact: true }).fill("2020-01-01T08:00");
  await expect(page.getByText("No job matches")).toBeVisible();
  await expect(page).toHaveURL(/since=20(18|19)-.*&until=20(19|20)-/);
  await page.getByRole("textbox", { name: "Error code" }).fill("auth_rejected");
  await page.getByRole("button", { name: "Take out all filters" }).click();
  await expect(page).toHaveURL(/\/jobs$/);
  await expect(rowOf(page, grace)).toBeVisible();
});

test("what is filtered by stands in words, and each filter is taken out alone", async ({ open }) => {
  const others = "source=ensure&code=made_up_too&clerk_id=user_nobody&q=nothing";
  const times = "since=2020-01-01T00:00:00.000Z&until=2020-01-02T00:00:00.000Z";
  const page = await open(`/jobs?status=PENDING,FAILED&job_type=USER_DELETED&${others}&${times}`);
  const chips = page.getByRole("group", { name: "Filtered by" });
  await expect(chips).toContainText("Status: pending or failed");
  await expect(chips).toContainText("Type: user deleted");
  for (const name of ["Status", "Type", "Source", "Error code", "User", "Received", "Before", "Search"]) {
    await chips.getByRole("button", { name: `Take out the filter ${name}` }).click();
    await expect(chips.getByText(`${name}:`)).toHaveCount(0);
  }
  await expect(page).toHaveURL(/\/jobs$/);
  await expect(chips).toBeHidden();
});

test("all of a row opens its job; its user and its box stay their own, on a phone too", async ({
  open,
  page,
  signUp,
}) => {
  const id = await signUp();
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 860 });
    await open(`/jobs?clerk_id=${id}`);
    await rowOf(page, id).getByRole("checkbox").check();
    await expect(page.getByText("1 selected")).toBeVisible();
    await rowOf(page, id).getByText("completed").click({ force: true }); // the link lies above the badge
    await expect(page.getByRole("heading", { level: 1, name: "Job: user created" })).toBeVisible();
    await page.goBack();
    await rowOf(page, id).getByRole("link", { name: id }).click();
    await expect(page.getByRole("heading", { level: 1, name: "User" })).toBeVisible();
  }
});

test("a count that is only a beginning says so", async ({ open, system, page }) => {
  await page.route("**/jobs/counts*", async (route) => {
    const response = await route.fetch();
    const counts = (await response.json()) as { at_least?: string[] };
    await route.fulfill({ response, json: { ...counts, at_least: ["CANCELLED"] } });
  });
  await system.query(
    "insert into job_queue (job_type, status, clerk_id) values ('USER_UPDATED', 'CANCELLED', 'user_bound')",
  );
  await open("/jobs?clerk_id=user_bound");
  await expect(page.getByRole("tab", { name: "cancelled 1+" })).toBeVisible();
});

test("a long list is read on", async ({ open, system }) => {
  await system.query(
    `insert into job_queue (job_type, status, clerk_id, event_id)
     select 'USER_UPDATED', 'CANCELLED', 'user_long', 'msg_long_' || n from generate_series(1, 60) as n`,
  );
  const page = await open("/jobs?clerk_id=user_long");
  await expect(rowsOf(page)).toHaveCount(51);
  await page.getByRole("button", { name: "Load more" }).click();
  await expect(rowsOf(page)).toHaveCount(61);
  await expect(page.getByText("This is all: 60 entries.")).toBeVisible();
});

test("a viewer sees jobs, and is told why nothing can be done to them", async ({ open, signUp }) => {
  const id = await signUp();
  const page = await open(`/jobs?clerk_id=${id}`, "viewer");
  await expect(rowOf(page, id)).toBeVisible();
  const retry = page.getByRole("button", { name: "Retry all that match" });
  await expect(retry).toBeDisabled();
  await expect(retry).toHaveAccessibleDescription(/viewer/);
  await rowOf(page, id).getByRole("checkbox").check();
  await expect(page.getByRole("button", { name: "Cancel selected" })).toBeDisabled();
});
