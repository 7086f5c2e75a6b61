import type { Page } from "@playwright/test";
import type { Right } from "#core/admin/contract/overview.ts";
import { test as base, expect, newClerkId } from "../../e2e/system.ts";
import { at, userEvent } from "../../support/clerk/build-event.ts";
import { type ClerkInstance, type ClerkInstancePlace, startClerkInstance } from "../../support/clerk/clerk-instance.ts";
import type { LocalSettings } from "../../support/processes/server-process.ts";
import { watchControls } from "./controls.ts";
import { refuseInAuth } from "./refuse-in-auth.ts";

export type Noise = {
  /** What the page wrote to the console as an error, threw, or asked of another host. */
  heard: string[];
  /** Errors of the console that the test brings about: the browser notes every refused request. */
  allow: (pattern: RegExp) => void;
};

type Facts = Partial<Parameters<typeof userEvent>[1]> & { isLost?: boolean; status?: string };

type Fixtures = {
  noise: Noise;
  controls: undefined;
  /** Signs up at Clerk a user whom Supabase Auth refuses: a dead letter, until it is freed. */
  signUpRefused: () => Promise<{ id: string; free: () => Promise<void> }>;
  /** Opens a page of the admin page, signed in by a link with a token. */
  open: (path: string, right?: Right) => Promise<Page>;
  /** Signs up at Clerk; the event arrives unless it is lost, and its job ends COMPLETED or as said. Answers the Clerk id. */
  signUp: (facts?: Facts) => Promise<string>;
};

const settings = (): LocalSettings => JSON.parse(process.env["CLERK_SYNC_SETTINGS"] ?? "{}") as LocalSettings;

export const test = base.extend<Fixtures, { clerk: ClerkInstance; tokens: Record<Right, string> }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from the pattern
  baseURL: async ({}, use) => use(settings().url),
  clerk: [
    // biome-ignore lint/correctness/noEmptyPattern: as above
    async ({}, use) => {
      const clerk = await startClerkInstance(
        JSON.parse(process.env["CLERK_SYNC_INSTANCE"] ?? "{}") as ClerkInstancePlace,
      );
      await use(clerk);
      await clerk.stop();
    },
    { scope: "worker", auto: true },
  ],
  tokens: [
    // biome-ignore lint/correctness/noEmptyPattern: as above
    async ({}, use) => use({ operator: await makeToken("operator"), viewer: await makeToken("viewer") }),
    { scope: "worker" },
  ],
  noise: [
    async ({ page }, use) => {
      const noise = listen(page);
      await use(noise);
      expect(noise.heard, "the console is quiet").toEqual([]);
    },
    { auto: true },
  ],
  controls: [
    async ({ page }, use) => {
      const keep = await watchControls(page);
      await use(undefined);
      await keep();
    },
    { auto: true },
  ],
  open: async ({ page, tokens }, use) => {
    await use(async (path, right = "operator") => {
      await page.goto(`/admin${path}#token=${tokens[right]}`);
      await expect(page.getByRole("navigation", { name: "Pages" })).toBeAttached();
      return page;
    });
  },
  signUp: async ({ system, clerk }, use) => {
    await use(async ({ isLost = false, status = "COMPLETED", ...facts } = {}) => {
      const id = facts.id ?? newClerkId();
      const event = userEvent("user.created", { version: 1, ...facts, id });
      clerk.users.set(id, { ...event.data, id, created_at: at(1), updated_at: event.data.updated_at });
      if (isLost) return id;
      await system.send(event);
      await system.settled(id, [status]);
      return id;
    });
  },
  signUpRefused: async ({ system, signUp }, use) => {
    await use(async () => {
      const id = newClerkId();
      const free = await refuseInAuth(system, id);
      return { id: await signUp({ id, status: "DEAD" }), free };
    });
  },
});

export { expect, newClerkId };

async function makeToken(right: Right): Promise<string> {
  const { url, secretKey } = settings();
  const response = await fetch(`${url}/functions/v1/sync-admin/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json", apikey: secretKey },
    body: JSON.stringify({ name: right === "operator" ? "Ada" : "Bob", right }),
  });
  return ((await response.json()) as { token: string }).token;
}

function listen(page: Page): Noise {
  const heard: string[] = [];
  const allowed: RegExp[] = [];
  const note = (text: string) => allowed.some((pattern) => pattern.test(text)) || heard.push(text);
  const origin = new URL(settings().url).origin;
  page.on("console", (message) => message.type() === "error" && note(message.text()));
  page.on("pageerror", (error) => note(`thrown: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.origin !== origin) note(`asked ${url.host}`);
  });
  return { heard, allow: (pattern) => void allowed.push(pattern) };
}
