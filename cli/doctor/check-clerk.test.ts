import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { checkClerk } from "./check-clerk.ts";

const deployed = "https://abcd.supabase.co/functions/v1/clerk-webhook";
const publishable = (mode: string, host: string) => `pk_${mode}_${btoa(`${host}$`)}`;

type Given = { environment: Record<string, string>; url?: string; config?: string; answer?: () => Promise<Response> };

async function check({ environment, url = deployed, config, answer = async () => new Response("{}") }: Given) {
  const folder = await mkdtemp(path.join(tmpdir(), "clerk-sync-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await mkdir(path.join(folder, "supabase"));
  if (config !== undefined) await writeFile(path.join(folder, "supabase", "config.toml"), config);
  return checkClerk(environment, url, { fetch: answer, folder });
}

const trust = (domain: string) => `[auth.third_party.clerk]\nenabled = true\ndomain = "${domain}"\n`;

test("keys of one instance that Clerk knows are well", async () => {
  const host = "happy-hippo-1.clerk.accounts.dev";
  const environment = { CLERK_SECRET_KEY: "sk_test_abc", VITE_CLERK_PUBLISHABLE_KEY: publishable("test", host) };
  expect(await check({ environment, config: trust(host) })).toEqual([
    { check: "clerk key", state: "ok", what: "Clerk's API knows it" },
  ]);
});

test("a live secret key beside a test publishable key is a failure", async () => {
  const key = publishable("test", "happy-hippo-1.clerk.accounts.dev");
  const environment = { CLERK_SECRET_KEY: "sk_live_abc", NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: key };
  expect(await check({ environment })).toContainEqual(
    expect.objectContaining({
      state: "failed",
      what: "CLERK_SECRET_KEY is of a live instance, NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY of a test one",
    }),
  );
});

test("tokens of another instance than the pages' are a failure, unless they are turned off", async () => {
  const environment = { CLERK_PUBLISHABLE_KEY: publishable("live", "clerk.example.com") };
  const config = trust("happy-hippo-1.clerk.accounts.dev");
  expect(await check({ environment, config })).toContainEqual(
    expect.objectContaining({ state: "failed", what: expect.stringContaining("is of clerk.example.com") }),
  );
  for (const other of [config.replace("true", "false"), trust("env(CLERK_DOMAIN)"), "[api]\nport = 1\n"]) {
    expect(await check({ environment, config: other })).toMatchObject([{ check: "clerk key", state: "skipped" }]);
  }
});

test("a config.toml that is none is a warning", async () => {
  expect(await check({ environment: {}, config: "[[" })).toContainEqual(
    expect.objectContaining({ check: "clerk", state: "warning" }),
  );
});

test("a live key on this machine is a warning", async () => {
  const environment = { CLERK_SECRET_KEY: "sk_live_abc" };
  for (const url of ["http://localhost:54321/x", "http://127.0.0.1:1/x", "http://[::1]:1/x"]) {
    expect(await check({ environment, url })).toContainEqual(
      expect.objectContaining({ check: "clerk", state: "warning" }),
    );
  }
  expect(await check({ environment })).toHaveLength(1);
});

test.each([
  [401, "failed", "refuses"],
  [404, "warning", "404"],
  [429, "warning", "429"],
])("Clerk's answer %i to the key is %s", async (status, state, words) => {
  const answer = async () => new Response("{}", { status });
  expect(await check({ environment: { CLERK_SECRET_KEY: "sk_test_abc" }, answer })).toMatchObject([
    { check: "clerk key", state, what: expect.stringContaining(words), remedy: expect.any(String) },
  ]);
});

test("an API that cannot be reached is a warning, and the call goes to CLERK_API_URL with or without /v1", async () => {
  const called: string[] = [];
  const fetch = (url: unknown) => {
    called.push(String(url));
    return Promise.reject(new Error("ENOTFOUND"));
  };
  const environment = { CLERK_SECRET_KEY: "sk_test_abc", CLERK_API_URL: "http://127.0.0.1:9/v1/" };
  expect(await checkClerk(environment, deployed, { fetch, folder: tmpdir() })).toMatchObject([
    { check: "clerk key", state: "warning", what: expect.stringContaining("ENOTFOUND") },
  ]);
  expect(called).toEqual(["http://127.0.0.1:9/v1/users/count"]);
});
