import { AxeBuilder } from "@axe-core/playwright";
import { expect, test } from "./support/admin-page.ts";

test.describe("the keyboard", () => {
  test("g and a letter go to a page, / to the search, ? shows the shortcuts", async ({ open }) => {
    const page = await open("/");
    await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
    for (const [key, name] of [
      ["j", "Jobs"],
      ["d", "Dead letters"],
      ["u", "Users"],
      ["r", "Reconcile"],
      ["a", "Audit"],
      ["o", "Overview"],
    ] as const) {
      await page.keyboard.press("g");
      await page.keyboard.press(key);
      await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
    }
    await page.keyboard.press("?");
    const shortcuts = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await expect(shortcuts).toContainText("Go to Dead letters");
    await page.keyboard.press("Escape");
    await expect(shortcuts).toBeHidden();
    await page.keyboard.press("/");
    const search = page.getByRole("textbox", { name: /^Search by Clerk id/ });
    await expect(search).toBeFocused();
    await page.keyboard.type("gj?");
    await expect(search).toHaveValue("gj?");
    await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  });

  test("the first key leads past the navigation", async ({ open }) => {
    const page = await open("/audit");
    await expect(page.getByRole("heading", { level: 1, name: "Audit" })).toBeVisible();
    await page.keyboard.press("Tab");
    await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("main")).toBeFocused();
  });

  test("the list of shortcuts opens from the navigation and from the menu", async ({ open }) => {
    const page = await open("/");
    const shortcuts = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await page.getByRole("button", { name: "Keyboard" }).click();
    await shortcuts.getByRole("button", { name: "Close" }).click();
    await page.getByRole("button", { name: "Ada operator menu" }).click();
    await page.getByRole("menuitem", { name: "Keyboard shortcuts" }).click();
    await expect(shortcuts).toBeVisible();
    const landmarks = ["landmark-no-duplicate-banner", "landmark-banner-is-top-level", "landmark-unique"];
    const { violations } = await new AxeBuilder({ page }).withRules(landmarks).analyze();
    expect(violations.map(({ id }) => id)).toEqual([]);
  });
});

test.describe("the search", () => {
  test("leads from an email, a Clerk id, an event id and a job id to what it is of", async ({
    open,
    system,
    signUp,
  }) => {
    const id = await signUp();
    const [job] = await system.jobs(id);
    const page = await open("/");
    for (const [text, heading] of [
      [`${id.toLowerCase()}@example.com`, "User"],
      [id, "User"],
      [String(job?.["event_id"]), "Job: user created"],
      [String(job?.["id"]), "Job: user created"],
    ] as const) {
      await page.getByRole("textbox", { name: /^Search by/ }).fill(text);
      await page.keyboard.press("Enter");
      await expect(page.getByRole("heading", { level: 1, name: heading })).toBeVisible();
      await page.getByRole("link", { name: "Overview", exact: true }).first().click();
      await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
    }
  });

  test("what is found nowhere leads to a list that says what to do", async ({ open, noise }) => {
    noise.allow(/404/);
    const page = await open("/");
    await page.getByRole("textbox", { name: /^Search by/ }).fill("msg_of_nobody");
    await page.keyboard.press("Enter");
    await expect(page.getByText("No job matches")).toBeVisible();
  });
});

test("the colours are the system's, or those chosen, also after a reload", async ({ open }) => {
  const page = await open("/");
  const scheme = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
  const choose = async (name: string) => {
    await page.getByRole("button", { name: "Ada operator menu" }).click();
    await page.getByRole("menuitemradio", { name }).click();
  };
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(scheme).toBe("dark");
  await choose("Light");
  await expect.poll(scheme).toBe("light");
  await choose("Dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.reload();
  await expect.poll(scheme).toBe("dark");
  await choose("As the system");
  await expect.poll(scheme).toBe("light");
});

test("on a phone no page is wider than the screen, and the navigation opens and closes", async ({ open }) => {
  const page = await open("/");
  await page.setViewportSize({ width: 390, height: 844 });
  for (const name of ["Jobs", "Dead letters", "Users", "Reconcile", "Audit", "Overview"]) {
    await page.getByRole("button", { name: "Navigation" }).click();
    await page.getByRole("navigation").getByRole("link", { name }).click();
    await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
    await expect(page.getByRole("navigation").getByRole("link", { name })).not.toBeInViewport();
    expect(await page.evaluate(() => document.documentElement.scrollWidth), name).toBeLessThanOrEqual(390);
  }
});

test("an address that is none says so, and leads back", async ({ open }) => {
  const page = await open("/nowhere");
  await expect(page.getByText("There is no page at this address")).toBeVisible();
  await page.getByRole("main").getByRole("link", { name: "overview" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByRole("banner").getByRole("link").click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
});

test("when the server is gone the page says so, keeps what it showed, and goes on when asked", async ({
  open,
  page,
  noise,
}) => {
  noise.allow(/ERR_CONNECTION_REFUSED/);
  await open("/audit");
  await expect(page.getByRole("search", { name: "Filters" })).toBeVisible();
  await page.route("**/sync-admin/**", (route) => route.abort("connectionrefused"));
  await page.getByRole("link", { name: "Dead letters" }).click();
  await expect(page.getByRole("alert")).toContainText("endpoint_unreachable");
  await page.unroute("**/sync-admin/**");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("alert")).toBeHidden();
});
