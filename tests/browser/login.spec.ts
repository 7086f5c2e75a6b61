import type { Page } from "@playwright/test";
import { createAdminTokens } from "#core/admin/token.ts";
import { authorizedParty } from "../support/clerk/clerk-instance.ts";
import { expect, test } from "./support/admin-page.ts";

async function fillIn(page: Page, secret: string, name = "Ada"): Promise<void> {
  await page.getByRole("textbox", { name: /^(Secret key|Session token)/ }).fill(secret);
  await page.getByRole("textbox", { name: "Your name" }).fill(name);
  await page.getByRole("button", { name: "Sign in" }).click();
}

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name });

/** All that the browser keeps for this origin. */
async function readStorage(page: Page): Promise<string> {
  const kept = await page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: await indexedDB.databases(),
    caches: await caches.keys(),
  }));
  return JSON.stringify([kept, await page.context().cookies()]);
}

test("a wrong key is refused, and what to do is said", async ({ page, noise }) => {
  noise.allow(/401/);
  await page.goto("/admin");
  await fillIn(page, "sb_secret_wrong");
  await expect(page.getByRole("alert")).toContainText("caller_unauthorized");
  await expect(page.getByRole("alert")).toContainText(/secret key/i);
  await expect(page.getByRole("textbox", { name: "Secret key" })).toHaveValue("sb_secret_wrong");
});

test("signing in keeps a token for the tab, and the secret key nowhere", async ({ page, system }) => {
  await page.goto("/admin/audit");
  await page.getByRole("textbox", { name: "Secret key" }).fill(system.settings.secretKey);
  await page.getByRole("button", { name: "Show or hide the secret" }).click();
  await expect(page.getByRole("textbox", { name: "Secret key" })).toHaveAttribute("type", "text");
  await fillIn(page, system.settings.secretKey);
  await expect(heading(page, "Audit")).toBeVisible();
  const storage = await readStorage(page);
  expect(storage).toContain("clerk-sync-admin.session");
  expect(storage).not.toContain(system.settings.secretKey);
  expect(await page.content()).not.toContain(system.settings.secretKey);
  await page.reload();
  await expect(heading(page, "Audit")).toBeVisible();
});

test("another tab has to sign in by itself", async ({ open, context }) => {
  await open("/");
  const other = await context.newPage();
  await other.goto("/admin");
  await expect(heading(other, "clerk-sync admin")).toBeVisible();
});

test("a token that has expired leads to the login, and signing in back to where one was", async ({
  page,
  system,
  noise,
}) => {
  noise.allow(/401/);
  const hours = 3_600_000;
  const tokens = createAdminTokens({ secretKeys: [system.settings.secretKey], now: () => Date.now() - 9 * hours });
  const { token } = await tokens.sign({ name: "Ada", right: "operator", clerkId: null });
  const caller = { right: "operator", name: "Ada", by: "admin_token", expires_at: null };
  const session = { apiUrl: `${system.settings.url}/functions/v1/sync-admin`, token, caller };
  await page.goto("/admin");
  await page.evaluate((text) => sessionStorage.setItem("clerk-sync-admin.session", text), JSON.stringify(session));
  await page.goto("/admin/audit?kind=operator_action");
  await expect(page.getByRole("status")).toContainText("expired");
  await fillIn(page, system.settings.secretKey);
  await expect(heading(page, "Audit")).toBeVisible();
  expect(new URL(page.url()).search).toBe("?kind=operator_action");
});

test("a Clerk session signs in when its user has an operator's role, and not otherwise", async ({
  page,
  clerk,
  signUp,
  noise,
}) => {
  noise.allow(/403|401/);
  const [admin, user] = [await signUp({ role: "admin" }), await signUp()];
  const token = (sub: string) => clerk.tokens.sign({ sub, azp: authorizedParty });
  await page.goto("/admin");
  await page.getByRole("radio", { name: "A Clerk session" }).press("Space");
  await fillIn(page, await token(user));
  await expect(page.getByRole("alert")).toContainText("Not signed in");
  await fillIn(page, await token(admin));
  await expect(heading(page, "Overview")).toBeVisible();
  await page.getByRole("button", { name: /operator menu/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("radio", { name: "A Clerk session" }).press("Space");
  await page.getByRole("radio", { name: "A secret key" }).press("Space");
  await expect(page.getByRole("textbox", { name: "Secret key" })).toHaveValue("");
});

test("who signs in as a viewer only reads", async ({ page, system }) => {
  await page.goto("/admin/reconcile");
  await page.getByRole("checkbox", { name: "Only look: sign in as a viewer" }).check();
  await fillIn(page, system.settings.secretKey, "Bob");
  await expect(page.getByRole("button", { name: "Bob viewer menu" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Dry run: only look" })).toBeDisabled();
});

test("an operator makes a read-only link; who opens it looks, and cannot act", async ({ open, context }) => {
  const page = await open("/");
  await page.getByRole("button", { name: "Ada operator menu" }).click();
  await page.getByRole("menuitem", { name: "Make a read-only link" }).click();
  const dialog = page.getByRole("dialog", { name: "Make a read-only link" });
  await dialog.getByRole("textbox", { name: "Who is it for?" }).fill("Grace");
  await dialog.getByRole("button", { name: "Make the link" }).click();
  const link = (await dialog.getByText(/#token=/).textContent()) ?? "";
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await dialog.getByRole("button", { name: "Copy it" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(link);
  await dialog.getByRole("button", { name: "Close" }).click();
  const other = await context.newPage();
  await other.goto(link);
  await expect(other.getByRole("button", { name: "Grace viewer menu" })).toBeVisible();
  expect(other.url()).not.toContain("token");
  await other.goto("/admin/reconcile");
  await expect(other.getByRole("button", { name: "Run and mend …" })).toBeDisabled();
});

test("a link that does not sign in says so", async ({ page, noise }) => {
  noise.allow(/401/);
  await page.goto("/admin#token=made.up.token");
  await expect(page.getByRole("alert")).toContainText("This link does not sign in");
});
