import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readOptions } from "./read-simulate-options.ts";
import { readLocalSettings, requireSecret, resolveRest, resolveTarget } from "./read-target.ts";

const local = {
  url: "http://127.0.0.1:54321",
  webhookSecret: "whsec_bG9jYWw=",
  secretKey: "sb_secret_local",
};
const webhook = "/functions/v1/clerk-webhook";

test("without options everything comes from the local server", () => {
  expect(resolveTarget({}, local)).toEqual({
    webhookUrl: `${local.url}${webhook}`,
    webhookSecret: local.webhookSecret,
    rest: { baseUrl: local.url, secretKey: local.secretKey },
    source: { name: "the local server", asked: local.url },
  });
});

test.each([
  ["https://a.supabase.co", `https://a.supabase.co${webhook}`, "https://a.supabase.co"],
  ["https://a.supabase.co/", `https://a.supabase.co${webhook}`, "https://a.supabase.co"],
  [`http://host:1/prefix${webhook}`, `http://host:1/prefix${webhook}`, "http://host:1/prefix"],
  ["http://host:1/api/hooks?x=1", "http://host:1/api/hooks?x=1", "http://host:1"],
])("--url %s posts to %s and asks the database at %s", (url, webhookUrl, base) => {
  const target = resolveTarget({ url, secret: "whsec_AA==", secretKey: "key" }, null);
  expect(target).toMatchObject({ webhookUrl, rest: { baseUrl: base, secretKey: "key" } });
});

test("the local signing secret is not used for another address", () => {
  const other = resolveTarget({ url: "https://a.supabase.co" }, local);
  expect(other.webhookSecret).toBeNull();
  expect(() => requireSecret(other)).toThrow(
    `No signing secret is known for https://a.supabase.co${webhook}: set CLERK_WEBHOOK_SECRET or pass --secret.`,
  );
  expect(requireSecret(resolveTarget({}, local)).webhookSecret).toBe(local.webhookSecret);
});

test("a file of variables never leads to the local server", async () => {
  const folder = await folderWith(JSON.stringify(local));
  expect(await readLocalSettings(folder, { envFile: ".env.production" })).toBeNull();
  for (const resolve of [resolveTarget, resolveRest]) {
    expect(() => resolve({ envFile: ".env.production" }, null)).toThrow(
      "CLERK_SYNC_URL is not set in .env.production. Add the project's URL, or pass --url.",
    );
  }
});

test("the local secret key is not sent to another address", () => {
  expect(resolveTarget({ url: "https://a.supabase.co" }, local).rest).toBeNull();
  expect(resolveTarget({ url: "http://localhost:54321" }, local).rest?.secretKey).toBe(local.secretKey);
});

const environment = {
  CLERK_SYNC_URL: "https://b.supabase.co",
  CLERK_WEBHOOK_SECRET: "whsec_bmV3, whsec_b2xk",
  SUPABASE_SECRET_KEY: "sb_secret_b",
};

test("the environment's address comes before the local server, with the environment's secrets", () => {
  expect(resolveTarget({}, local, environment)).toEqual({
    webhookUrl: `https://b.supabase.co${webhook}`,
    webhookSecret: "whsec_bmV3",
    rest: { baseUrl: "https://b.supabase.co", secretKey: "sb_secret_b" },
    source: { name: "CLERK_SYNC_URL", asked: "https://b.supabase.co" },
  });
});

test("an option comes before the environment, and the local server is asked with its own secrets", () => {
  expect(resolveTarget({ secret: "whsec_AA==" }, local, environment).webhookSecret).toBe("whsec_AA==");
  const { CLERK_SYNC_URL: _, ...secrets } = environment;
  expect(resolveTarget({}, local, secrets)).toEqual(resolveTarget({}, local));
});

test("with neither a local server nor options it says what to do", () => {
  expect(() => resolveTarget({}, null)).toThrow(
    "Start one: npx clerk-sync serve --local. Or name yours: --url and --secret (CLERK_SYNC_URL, CLERK_WEBHOOK_SECRET).",
  );
  expect(() => resolveTarget({ url: "ftp://host", secret: "whsec_AA==" }, null)).toThrow(/--url ftp:/);
});

async function folderWith(content: string | null): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "clerk-sync-"));
  onTestFinished(async () => rm(folder, { recursive: true }));
  await mkdir(path.join(folder, ".clerk-sync"));
  if (content !== null) await writeFile(path.join(folder, ".clerk-sync", "local.json"), content);
  return folder;
}

test("local.json is read, its absence is null, and a damaged one is an error that names it", async () => {
  expect(await readLocalSettings(await folderWith(JSON.stringify({ ...local, databaseUrl: "x" })))).toEqual(local);
  expect(await readLocalSettings(await folderWith(null))).toBeNull();
  for (const damaged of ["{", '{"url":"http://127.0.0.1:1"}']) {
    const reading = readLocalSettings(await folderWith(damaged));
    await expect(reading).rejects.toMatchObject({
      code: "config_invalid",
      message: expect.stringMatching(/local\.json.*npx clerk-sync serve --local/s),
    });
  }
});

test("a damaged local.json does not matter where the address is named", async () => {
  const folder = await folderWith("{");
  expect(await readLocalSettings(folder, { url: "https://a.supabase.co" })).toBeNull();
  expect(await readLocalSettings(folder, {}, environment)).toBeNull();
});

const given = { count: "100", concurrency: "20", timeout: "60" };

test("users default to a third of the events and are at least one", () => {
  expect(readOptions(given)).toMatchObject({ count: 100, users: 33, rate: null, shuffle: false });
  expect(readOptions({ ...given, count: "1" }).users).toBe(1);
});

test("every wrong option is named at once", () => {
  const wrong = () => readOptions({ ...given, count: "-3", rate: "fast", seed: "1.5" });
  expect(wrong).toThrow(/--count.*--rate.*--seed/s);
  expect(() => readOptions({ ...given, users: "101" })).toThrow(/--users 101 is more than --count 100/);
});

test("a project is found by its URL and key, the local server by its own", () => {
  const hosted = { url: "https://ref.supabase.co", secretKey: "sb_secret_x" };
  expect(resolveRest(hosted, local)).toEqual({
    baseUrl: hosted.url,
    secretKey: hosted.secretKey,
    source: { name: "--url", asked: hosted.url },
  });
  expect(resolveRest({}, local)).toEqual({
    baseUrl: local.url,
    secretKey: local.secretKey,
    source: { name: "the local server", asked: local.url },
  });
  expect(() => resolveRest({ url: hosted.url }, local)).toThrow(/No secret key is known for https:\/\/ref/);
  expect(() => resolveRest({}, null)).toThrow(
    /serve --local.*--url and --secret-key \(CLERK_SYNC_URL, SUPABASE_SECRET_KEY/,
  );
});
