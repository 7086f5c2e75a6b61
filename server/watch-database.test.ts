import { describe, expect, test } from "vitest";
import type { AlertTarget } from "#core/alerts/post-notice.ts";
import { SyncError } from "#core/errors.ts";
import { captureLog } from "../tests/support/processes/capture-log.ts";
import { watchDatabase } from "./watch-database.ts";

const targets: AlertTarget[] = [
  { name: "webhook", url: "https://example.com/hook", secret: null },
  { name: "slack", url: "https://example.com/slack" },
];

/** A server that looks every half minute, and what it tells of its database. */
function watched() {
  const state = { now: 0, error: null as Error | null, status: { webhook: 200, slack: 200 } };
  const told: string[] = [];
  const fakeFetch: typeof fetch = async (input, init) => {
    const name = String(input).endsWith("slack") ? "slack" : "webhook";
    const body = JSON.parse(String(init?.body));
    told.push(`${state.now / 1000} ${name} ${body.type ?? (String(body.text).includes("over") ? "over" : "opened")}`);
    return new Response(null, { status: state.status[name], headers: { "retry-after": "40" } });
  };
  const sendAlerts = async () => {
    if (state.error !== null) throw state.error;
  };
  const look = watchDatabase({ sendAlerts, targets, adminUrl: null, fetch: fakeFetch, now: () => state.now });
  const until = async (seconds: number) => {
    for (; state.now <= seconds * 1000; state.now += 30_000) await look();
    return told.splice(0).sort(); // both are told at once, in no order
  };
  return { state, until };
}

const down = new SyncError("database_unavailable", "gone", { retryable: true });

describe("a database that cannot be reached", () => {
  test("for over a minute is told of once, and once when it is back", async () => {
    const { state, until } = watched();
    expect(await until(30)).toEqual([]);
    state.error = down;
    expect(await until(600)).toEqual(["120 slack opened", "120 webhook incident.opened"]);
    state.error = null;
    expect(await until(900)).toEqual(["630 slack over", "630 webhook incident.closed"]);
  });

  test("for less is told of by nobody", async () => {
    const { state, until } = watched();
    state.error = down;
    expect(await until(30)).toEqual([]);
    state.error = null;
    expect(await until(300)).toEqual([]);
  });

  test("is told of again when a target was down itself, as late as it asks for; the other hears it once", async () => {
    const { state, until } = watched();
    state.error = down;
    state.status.slack = 503;
    expect(await until(90)).toEqual(["60 slack opened", "60 webhook incident.opened"]);
    state.status.slack = 200;
    expect(await until(300)).toEqual(["120 slack opened"]);
  });

  test("is over for those alone who were told that it began", async () => {
    const { state, until } = watched();
    state.error = down;
    state.status.slack = 404;
    expect(await until(300)).toEqual(["60 slack opened", "60 webhook incident.opened"]);
    state.error = null;
    expect(await until(600)).toEqual(["330 webhook incident.closed"]);
  });
});

test("what else goes wrong with the sending is logged, and no outage", async () => {
  const lines = await captureLog();
  const { state, until } = watched();
  state.error = new SyncError("database_rejected", "no such function");
  expect(await until(120)).toEqual([]);
  expect(JSON.parse(lines[0]?.text ?? "")).toMatchObject({ event: "supervision.failed", code: "database_rejected" });
});
