import { expect, test, vi } from "vitest";
import { createHealthGate, type HealthGateOptions } from "./create-health-gate.ts";

const url = "https://ref.supabase.co/functions/v1/sync-health";

function gateWith(answer: () => Promise<Response>, options: Partial<HealthGateOptions> = {}) {
  const fetch = vi.fn(answer);
  const clock = { now: 0 };
  return { fetch, clock, gate: createHealthGate({ url, fetch, now: () => clock.now, ...options }) };
}

const says =
  (status: string, code = 200) =>
  async () =>
    Response.json({ status }, { status: code });

test.each([
  ["healthy", 200, true],
  ["degraded", 200, true],
  ["compromised", 503, false],
])("a sync that is %s is a gate that is open: %s %s", async (status, code, isOpen) => {
  expect(await gateWith(says(status, code)).gate.isHealthy()).toBe(isOpen);
});

test("one request answers everybody within the age, then there is a new one", async () => {
  const { gate, fetch, clock } = gateWith(says("healthy"));
  await Promise.all(Array.from({ length: 50 }, gate.isHealthy));
  clock.now = 4999;
  await gate.isHealthy();
  expect(fetch).toHaveBeenCalledTimes(1);
  clock.now = 5000;
  await gate.isHealthy();
  expect(fetch).toHaveBeenCalledTimes(2);
});

test.each([
  ["not reached", () => Promise.reject(new TypeError("fetch failed"))],
  ["a page of a proxy", async () => new Response("<html>", { status: 200 })],
  ["somebody else's JSON", async () => Response.json({ ok: true })],
  ["a gateway that gives up", async () => Response.json({ message: "no" }, { status: 504 })],
] as const)("%s closes the gate, unless the caller chose otherwise", async (_, answer) => {
  expect(await gateWith(answer).gate.isHealthy()).toBe(false);
  expect(await gateWith(answer, { whenUnreachable: "healthy" }).gate.isHealthy()).toBe(true);
});

test("an endpoint that hangs is not waited for", async () => {
  const hang: typeof fetch = (_, init) =>
    new Promise((_, reject) => {
      init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
    });
  expect(await createHealthGate({ url, fetch: hang, timeoutMilliseconds: 1 }).isHealthy()).toBe(false);
});
