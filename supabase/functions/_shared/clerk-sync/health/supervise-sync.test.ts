import { expect, test, vi } from "vitest";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { SyncError } from "../errors.ts";
import { createSupervision } from "./supervise-sync.ts";

const config = {
  clerkSecretKey: "sk_test_1",
  alerts: { webhookUrl: null, webhookSecret: null, slackUrl: null, adminUrl: null },
};

test("a database that fails stops nothing, and is logged by what was tried", async () => {
  const lines = await captureLog();
  const call = () => Promise.reject(new SyncError("database_unavailable", "not there"));
  const { beat, auditJobs, sendAlerts } = createSupervision(config, call, "worker");
  await beat();
  await auditJobs();
  await sendAlerts();
  expect(lines.map(({ text }) => JSON.parse(text)).map(({ event, what, code }) => [event, what, code])).toEqual([
    ["supervision.failed", "beat", "database_unavailable"],
    ["supervision.failed", "audit", "database_unavailable"],
    ["supervision.failed", "alerts", "database_unavailable"],
  ]);
});

test.each(["sk_test_1", null])(
  "the heartbeat carries the name of the part and whether it has a key: %s",
  async (key) => {
    const call = vi.fn(async () => null);
    await createSupervision({ ...config, clerkSecretKey: key }, call, "processor").beat();
    expect(call).toHaveBeenCalledExactlyOnceWith("clerk_sync_beat", { p_name: "processor", p_can_read: key !== null });
  },
);
