import { expect, test } from "vitest";
import { listTargets } from "../alerts/post-notice.ts";
import { readConfig } from "./config.ts";

const secret = `whsec_${btoa("a secret of twenty-four b")}`;

test("alerts go where the variables say", () => {
  const { alerts } = readConfig({
    ALERT_WEBHOOK_URL: "https://example.com/hook",
    ALERT_WEBHOOK_SECRET: secret,
    ALERT_SLACK_URL: "https://hooks.slack.com/services/T0/B0/x",
    ADMIN_URL: "https://sync.example.com/admin",
  });
  expect(alerts.adminUrl).toBe("https://sync.example.com/admin");
  expect(listTargets(alerts)).toEqual([
    { name: "webhook", url: "https://example.com/hook", secret },
    { name: "slack", url: "https://hooks.slack.com/services/T0/B0/x" },
  ]);
});

test("without them nobody is told, and a blank one is none", () => {
  expect(listTargets(readConfig({ ALERT_WEBHOOK_URL: " ", ALERT_SLACK_URL: "" }).alerts)).toEqual([]);
});

test.each([
  ["ALERT_WEBHOOK_SECRET", "whsec_c2hvcnQ="],
  ["ALERT_WEBHOOK_SECRET", "a password of some length"],
  ["ALERT_SLACK_URL", "#alerts"],
  ["ALERT_WEBHOOK_URL", "ftp://example.com"],
])("%s=%s is refused, and the message does not show it", (name, value) => {
  const read = () => readConfig({ [name]: value });
  expect(read).toThrow(name);
  expect(read).not.toThrow(value);
});
