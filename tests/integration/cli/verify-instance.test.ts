import { afterAll, beforeAll, expect, it } from "vitest";
import { runCommand } from "../../support/processes/run-command.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ CLERK_INSTANCE_ID: "ins_production,ins_other" });
});
afterAll(() => server?.stop());

async function verify(more: Record<string, string>) {
  const { url, webhookSecret, secretKey } = server.settings;
  const environment = { CLERK_SYNC_URL: url, CLERK_WEBHOOK_SECRET: webhookSecret, SUPABASE_SECRET_KEY: secretKey };
  const { exitCode, stdout } = await runCommand(["verify", "--json"], { environment: { ...environment, ...more } });
  return { exitCode, ...JSON.parse(stdout) };
}

it("an endpoint that applies one instance's events takes the canary when verify knows the instance", async () => {
  const verified = await verify({ CLERK_INSTANCE_ID: "ins_production, ins_none" });
  expect(verified).toMatchObject({ exitCode: 0, verdict: "passed", cleanUp: { done: true } });
  expect(await server.one("select count(*)::int as n from clerk_sync.canary")).toEqual({ n: 0 });
});

it("it puts the canary aside when verify does not, and the failure says what to set", async () => {
  const { exitCode, steps } = await verify({});
  expect(exitCode).toBe(1);
  expect(steps.find(({ state }: { state: string }) => state === "failed")).toMatchObject({
    step: "created",
    hop: "answer",
    what: expect.stringContaining("Event of another Clerk instance"),
    remedy: expect.stringContaining("CLERK_INSTANCE_ID"),
  });
});
