import type { Page } from "@playwright/test";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { at, deletedEvent, userEvent } from "../support/clerk/build-event.ts";
import { expect, newClerkId, test } from "./support/admin-page.ts";
import { findPart } from "./support/find-part.ts";
import { takeScreenshot } from "./support/take-screenshot.ts";
import { holdDeletions, openCircuit } from "./support/troubles.ts";

// Each way a user can be missing, or out of step, as somebody sees it who knows nothing but the Clerk id: the user's page says
// why in words, has the button that mends it, and shows without a reload that it did. A webhook that never came and a dead
// letter are in users.spec.ts.

const fault = (page: Page) => page.getByRole("main").getByRole("alert");
const inStep = (page: Page) => page.getByRole("main").getByRole("status").filter({ hasText: "In sync" });

test("a job that waits for its next attempt is retried at once", async ({ open, system, signUpRefused }) => {
  const { id, free } = await signUpRefused();
  await system.query(
    `update job_queue set status = 'FAILED', attempts = 2, max_attempts = 15, run_at = now() + interval '1 hour',
            error = 'auth_unavailable: Supabase Auth answered 503.'
     where clerk_id = $1`,
    [id],
  );
  await free();
  const page = await open(`/users/${id}`);
  await expect(fault(page)).toContainText("An attempt failed");
  await expect(fault(page)).toContainText(/Attempt 2 of 15 has failed.*The next one is due at 2/);
  await takeScreenshot(page, "missing-retry");
  await fault(page).getByRole("button", { name: "Retry the job" }).click();
  await expect(inStep(page)).toBeVisible();
  await expect(fault(page)).toBeHidden();
});

test("a user whom Supabase Auth has lost is made there again", async ({ open, system, signUp }) => {
  const id = await signUp();
  const { url, secretKey } = system.settings;
  await fetch(`${url}/auth/v1/admin/users/${authUserIdOf(id)}`, { method: "DELETE", headers: { apikey: secretKey } });
  const page = await open(`/users/${id}`);
  await expect(fault(page)).toContainText("Missing in Supabase Auth");
  await fault(page).getByRole("button", { name: "Resync from Clerk" }).click();
  await expect(inStep(page)).toBeVisible();
  expect(await system.authUser(id)).not.toBeNull();
});

test("a user who was deleted here, and whom Clerk has, is brought back", async ({ open, system, signUp }) => {
  const id = await signUp();
  await system.send(deletedEvent({ id, version: 2 }));
  await expect.poll(() => system.user(id)).toBeUndefined();
  const page = await open(`/users/${id}`);
  await expect(fault(page)).toContainText("Deleted here, but not at Clerk");
  await expect(fault(page)).toContainText("No event revives a deleted user.");
  await takeScreenshot(page, "missing-tombstone");
  await fault(page).getByRole("button", { name: "Resync from Clerk" }).click();
  await expect(inStep(page)).toBeVisible();
  expect(await system.user(id)).toMatchObject({ clerk_id: id });
});

test("a user whose deletion the brake holds leads to where it is decided", async ({ open, system, signUp }) => {
  const id = await signUp();
  await holdDeletions(system, [id]);
  const page = await open(`/users/${id}`);
  await expect(fault(page)).toContainText("The deletion is held back");
  await takeScreenshot(page, "missing-brake");
  await fault(page).getByRole("link", { name: "Decide at the delete brake" }).click();
  const brake = findPart(page, "Delete brake");
  await expect(brake).toBeInViewport();
  await brake.getByRole("link", { name: "1 deletion waits" }).click();
  await expect(page.getByRole("table", { name: "Jobs" })).toContainText(id);
  await page.goBack();
  await brake.getByRole("button", { name: "Cancel the deletions …" }).click();
  await page.getByRole("button", { name: "Cancel 1 deletion" }).click();
  await expect(page.getByText("1 deletion was cancelled.")).toBeVisible();
  await page.goBack();
  await expect(inStep(page)).toBeVisible();
});

test("a user whose job waits for a service is let go by resetting its circuit", async ({
  open,
  system,
  signUpRefused,
}) => {
  const { id, free } = await signUpRefused();
  await free();
  await openCircuit(system, "auth");
  await system.query(
    "update job_queue set status = 'PENDING', attempts = 0, error = null, waits_for = 'auth' where clerk_id = $1",
    [id],
  );
  const page = await open(`/users/${id}`);
  await expect(fault(page)).toContainText("A service does not work");
  await expect(fault(page)).toContainText("Supabase Auth does not work (auth_unavailable), so jobs wait for it.");
  await takeScreenshot(page, "missing-circuit");
  await fault(page).getByRole("link", { name: "See the circuit" }).click();
  await expect(findPart(page, "Circuits")).toBeInViewport();
  await findPart(page, "Circuits").getByRole("button", { name: "Reset Supabase Auth" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Leave it" }).click();
  await page.goBack();
  await fault(page).getByRole("link", { name: "The job that tells more" }).click();
  await page.getByRole("main").getByRole("link", { name: "See since when and why" }).click();
  await expect(findPart(page, "Circuits")).toContainText("1 job waits");
  await page.goto(`/admin/users/${id}`);
  await fault(page).getByRole("button", { name: "Reset Supabase Auth" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Reset the circuit" }).click();
  await expect(inStep(page)).toBeVisible();
});

test("a user whose address another row holds gets it when both are resynced", async ({
  open,
  system,
  clerk,
  signUp,
}) => {
  const email = `${newClerkId().toLowerCase()}@example.com`;
  const [id, other] = [await signUp(), await signUp({ email })];
  const { data } = userEvent("user.updated", { id, version: 3, email });
  clerk.users.set(id, { ...data, created_at: at(1) });
  await system.query("update users set email = null where clerk_id = $1", [id]);
  const moved = userEvent("user.updated", { id: other, version: 2 });
  clerk.users.set(other, { ...moved.data, created_at: at(1) });
  const page = await open(`/users/${id}`);
  await expect(fault(page)).toContainText("Another row holds the address");
  await expect(fault(page)).toContainText(`it is held by the row of ${other}`);
  await takeScreenshot(page, "missing-email");
  await fault(page)
    .getByRole("link", { name: `Open ${other}` })
    .click();
  await expect(fault(page)).toContainText("A change at Clerk has not arrived");
  await page.goBack();
  await fault(page).getByRole("button", { name: "Resync both" }).click();
  await expect(inStep(page)).toBeVisible();
  expect(await system.user(id)).toMatchObject({ email });
});
