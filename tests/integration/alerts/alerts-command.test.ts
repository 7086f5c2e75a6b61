import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { runCli } from "../../support/processes/run-cli.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { type AlertReceiver, startAlertReceiver } from "../../support/systems/alert-receiver.ts";

let receiver: AlertReceiver;
let server: TestServer;
let silent: TestServer;
beforeAll(async () => {
  receiver = await startAlertReceiver();
  server = await startTestServer({
    ALERT_WEBHOOK_URL: `${receiver.url}/webhook`,
    ALERT_SLACK_URL: `${receiver.url}/slack`,
  });
  silent = await startTestServer();
});
afterAll(async () => {
  await server?.stop();
  await silent?.stop();
  await receiver?.stop();
});
beforeEach(() => void receiver.received.splice(0));

const alerts = ({ settings }: TestServer, ...args: string[]) =>
  runCli(["alerts", "--url", settings.url, "--secret-key", settings.secretKey, ...args], {});

it("a test notice goes to every target of the server, the way every notice goes", async () => {
  const { exitCode, stdout } = await alerts(server, "--test");
  expect([exitCode, stdout.split("\n")]).toEqual([
    0,
    ["✓ alerts: slack accepted the test notice", "✓ alerts: webhook accepted the test notice"],
  ]);
  expect(receiver.received.map(({ path }) => path).sort()).toEqual(["/slack", "/webhook"]);
});

it("a target that refuses it fails the command, and the other is told once", async () => {
  receiver.answerNext("/slack", { status: 404 });
  const { exitCode, stdout } = await alerts(server, "--test", "--json");
  expect([exitCode, JSON.parse(stdout)]).toMatchObject([
    1,
    [
      { state: "failed", what: "slack did not take the test notice: alert_rejected" },
      { state: "ok", what: "webhook accepted the test notice" },
    ],
  ]);
});

it("a server that has no target fails the test, and says where to set one", async () => {
  const { exitCode, stdout } = await alerts(silent, "--test");
  expect([exitCode, stdout]).toEqual([1, expect.stringMatching(/nobody is told .*\n.*ALERT_SLACK_URL/)]);
});

it("without --test it shows who is told, and what is open", async () => {
  expect((await alerts(server)).stdout).toMatch(
    /^✓ alerts: slack is told of incidents, .+\n.+\n✓ incidents: none is open$/,
  );
  await silent.pool.query(
    `insert into clerk_sync.incidents (code, status, what, remedy, since, first_seen_at, last_seen_at, opened_at)
     values ('drift', 'degraded', '12 users out of step.', 'Repair.', now(), now(), now(), now())`,
  );
  expect((await alerts(silent)).stdout).toMatch(/✗ drift \(degraded\) since .+: 12 users out of step\.\n {4}Repair\.$/);
});

it("doctor tells of a target that refuses notices", async () => {
  await server.pool.query(
    `insert into clerk_sync.incidents (code, status, what, remedy, since, first_seen_at, last_seen_at, opened_at)
     values ('drift', 'degraded', '-', '-', now(), now(), now(), now())`,
  );
  await server.pool.query(
    `insert into clerk_sync.notices (incident_id, kind, target, created_at, next_at, attempts, last_error)
     select i.id, 'opened', 'slack', now(), now() + interval '1 hour', 1, 'alert_rejected' from clerk_sync.incidents as i where i.code = 'drift'`,
  );
  const { settings } = server;
  const { stdout } = await runCli(["doctor", "--url", settings.url, "--secret-key", settings.secretKey], {});
  expect(stdout).toContain("! alerts: slack: 1 notices wait after alert_rejected");
});
