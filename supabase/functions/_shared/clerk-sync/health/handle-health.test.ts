import { expect, test } from "vitest";
import { createCheckCaller } from "../http/check-caller.ts";
import { handleHealth } from "./handle-health.ts";
import type { Health, HealthStatus } from "./judge-health.ts";

const url = "https://ref.supabase.co/functions/v1/sync-health";
const key = "sb_secret_0123456789";
const reasons = [{ code: "queue_late", status: "degraded", what: "x", remedy: "y" } as const];

function ask(status: HealthStatus, init: RequestInit = {}, query = "") {
  const health: Health = { status, reasons, facts: { open: {} } };
  const dependencies = { readHealth: async () => health, checkCaller: createCheckCaller([key]) };
  return handleHealth(new Request(url + query, init), dependencies);
}

test.each([
  ["healthy", 200],
  ["degraded", 200],
  ["compromised", 503],
] as const)("%s is answered %i, to anybody and with one word", async (status, code) => {
  const response = await ask(status);
  expect(response.status).toBe(code);
  expect(await response.json()).toEqual({ status });
  expect(response.headers.get("cache-control")).toBe("no-store");
});

test("the secret key sees reasons and facts", async () => {
  const response = await ask("degraded", { headers: { apikey: key } });
  expect(await response.json()).toEqual({ status: "degraded", reasons, facts: { open: {} } });
});

test("another key, as every supabase-js client sends one, is like none", async () => {
  expect(await (await ask("degraded", { headers: { apikey: "sb_publishable_1" } })).json()).toEqual({
    status: "degraded",
  });
});

test("?live answers without asking the database", async () => {
  const readHealth = () => Promise.reject(new Error("asked"));
  const dependencies = { readHealth, checkCaller: createCheckCaller([key]) };
  const response = await handleHealth(new Request(`${url}?live`), dependencies);
  expect([response.status, await response.json()]).toEqual([200, { status: "live" }]);
});

test("HEAD has the status and no body", async () => {
  const response = await ask("compromised", { method: "HEAD" });
  expect([response.status, await response.text()]).toEqual([503, ""]);
});

test("other methods are 405", async () => {
  const response = await ask("healthy", { method: "POST" });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});
