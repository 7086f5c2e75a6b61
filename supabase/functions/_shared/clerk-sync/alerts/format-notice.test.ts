import { describe, expect, test } from "vitest";
import { formatForSlack, formatForWebhook, type Incident, type Notice, summarise } from "./format-notice.ts";

const incident: Incident = {
  id: "11111111-1111-4111-8111-111111111111",
  code: "circuit_open",
  subject: "auth",
  status: "degraded",
  what: "Calls to auth are paused (auth_unavailable).",
  remedy: "It is tried again by itself; see <docs> & wait.",
  since: "2026-11-24T10:00:00.123+00:00",
  opened_at: "2026-11-24T10:01:00+00:00",
  absent_since: null,
  closed_at: null,
};
const opened: Notice = { id: "n1", kind: "opened", incident };
const over = { ...incident, absent_since: "2026-11-24T11:00:00+00:00", closed_at: "2026-11-24T11:05:00+00:00" };
const closed: Notice = { id: "n2", kind: "closed", incident: over };
const test1: Notice = { id: "n3", kind: "test", incident: { ...over, code: "test", subject: "" } };

type Block = { type: string; text: { type: string; text: string } };
const slack = (notice: Notice, adminUrl: string | null = null): { text: string; blocks: Block[] } =>
  JSON.parse(formatForSlack(notice, { adminUrl }));
const texts = (notice: Notice, adminUrl: string | null = null) =>
  slack(notice, adminUrl).blocks.map(({ text }) => text.text);

describe("in one sentence", () => {
  test("an incident that opens is what, since when, and the next step", () => {
    expect(summarise(opened)).toBe(
      "User sync degraded: circuit_open auth. Calls to auth are paused (auth_unavailable). Since 2026-11-24 10:00 UTC. Next step: It is tried again by itself; see <docs> & wait.",
    );
  });

  test("one that is over ended when its reason was gone, and wants nothing done", () => {
    expect(summarise(closed)).toBe(
      "User sync: over: circuit_open auth. Calls to auth are paused (auth_unavailable). Since 2026-11-24 10:00 UTC until 2026-11-24 11:00 UTC.",
    );
  });
});

describe("for Slack", () => {
  test("it has a header, what happened, since when and the next step, and a text for notifications", () => {
    expect(texts(opened)).toEqual([
      "User sync degraded: circuit_open auth",
      "Calls to auth are paused (auth_unavailable).",
      "*Since* 2026-11-24 10:00 UTC (`circuit_open auth`, degraded)",
      "*Next step:* It is tried again by itself; see &lt;docs&gt; &amp; wait.",
    ]);
    expect(slack(opened).text).toContain("see &lt;docs&gt; &amp; wait.");
  });

  test("a link to the admin page is added where there is one", () => {
    expect(texts(closed, "https://sync.example.com/admin?a=1&b=2").at(-1)).toBe(
      "<https://sync.example.com/admin?a=1&amp;b=2|Open the admin page>",
    );
  });

  test("what an incident says can call nobody and is no markup", () => {
    const loud = { ...opened, incident: { ...incident, what: "<!channel> <@U1> &" } };
    expect(texts(loud)[1]).toBe("&lt;!channel&gt; &lt;@U1&gt; &amp;");
    expect(formatForSlack(loud, { adminUrl: null })).not.toContain("<!");
  });

  test("no text is longer than Slack takes, escaped as it is", () => {
    const long = {
      ...opened,
      incident: { ...incident, subject: "x".repeat(400), what: "&".repeat(9000), remedy: "<".repeat(9000) },
    };
    for (const { type, text } of slack(long).blocks) {
      expect(text.text.length).toBeLessThanOrEqual(type === "header" ? 150 : 3000);
      expect(text.text).not.toMatch(/&(?!amp;|lt;|gt;)/);
    }
  });
});

describe("for a webhook", () => {
  const body = (notice: Notice) =>
    JSON.parse(formatForWebhook(notice, { at: new Date("2026-11-24T11:05:01Z"), adminUrl: "https://a.example.com" }));

  test("it is type, timestamp and data, with times in UTC", () => {
    expect(body(closed)).toEqual({
      type: "incident.closed",
      timestamp: "2026-11-24T11:05:01.000Z",
      data: {
        incident: {
          id: incident.id,
          code: "circuit_open",
          subject: "auth",
          status: "degraded",
          what: incident.what,
          remedy: incident.remedy,
          since: "2026-11-24T10:00:00.123Z",
          opened_at: "2026-11-24T10:01:00.000Z",
          ended_at: "2026-11-24T11:00:00.000Z",
        },
        summary: summarise(closed),
        admin_url: "https://a.example.com",
      },
    });
  });

  test("an incident that lasts has no end, and a test says that it is one", () => {
    expect(body(opened)).toMatchObject({ type: "incident.opened", data: { incident: { ended_at: null } } });
    expect(body(test1)).toMatchObject({ type: "incident.test", data: { incident: { code: "test" } } });
  });
});
