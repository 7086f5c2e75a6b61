/** What a notice tells of; times in ISO 8601. Nothing of it is personal. */
export type Incident = {
  id: string;
  code: string;
  /** Such as the service of a circuit; empty where the code says it all. */
  subject: string;
  /** At its worst. */
  status: "degraded" | "compromised";
  what: string;
  remedy: string;
  since: string;
  opened_at: string;
  /** When its reason was gone, and when it was therefore said to be over; null while it lasts. */
  absent_since: string | null;
  closed_at: string | null;
};

export type Notice = { id: string; kind: "opened" | "closed" | "test"; incident: Incident };

/**
 * Slack takes 150 characters in a header and 3,000 in a section, or refuses all (Block Kit, "Blocks"); escaped, each may
 * become five.
 */
const longest = { header: 150, section: 550, text: 2000 };

/** The body for a webhook: type, timestamp and data, as the Standard Webhooks specification has them (docs/alerts.md). */
export function formatForWebhook(notice: Notice, { at, adminUrl }: { at: Date; adminUrl: string | null }): string {
  const { id, code, subject, status, what, remedy } = notice.incident;
  const incident = { id, code, subject, status, what, remedy, ...timesOf(notice) };
  const data = { incident, summary: summarise(notice), admin_url: adminUrl };
  return JSON.stringify({ type: `incident.${notice.kind}`, timestamp: at.toISOString(), data });
}

/** The body for an incoming webhook of Slack: blocks, and a text for notifications and for clients without them. */
export function formatForSlack(notice: Notice, { adminUrl }: { adminUrl: string | null }): string {
  const { incident } = notice;
  const { since, ended_at } = timesOf(notice);
  const until = ended_at === null ? "" : ` until ${showTime(ended_at)}`;
  const step =
    notice.kind === "opened" ? [section(`*Next step:* ${escapeText(shorten(incident.remedy, longest.section))}`)] : [];
  const link = adminUrl === null ? [] : [section(`<${escapeText(adminUrl)}|Open the admin page>`)];
  const blocks = [
    { type: "header", text: { type: "plain_text", text: shorten(titleOf(notice), longest.header) } },
    section(escapeText(shorten(incident.what, longest.section))),
    section(
      `*Since* ${showTime(since)}${until} (\`${escapeText(shorten(nameOf(incident), longest.header))}\`, ${incident.status})`,
    ),
    ...step,
    ...link,
  ];
  return JSON.stringify({ text: escapeText(shorten(summarise(notice), longest.text)), blocks });
}

/** One sentence that says it all, for whoever sees only that. */
export function summarise(notice: Notice): string {
  const { incident } = notice;
  const { since, ended_at } = timesOf(notice);
  const until = ended_at === null ? "" : ` until ${showTime(ended_at)}`;
  const step = notice.kind === "opened" ? ` Next step: ${incident.remedy}` : "";
  return `${titleOf(notice)}. ${incident.what} Since ${showTime(since)}${until}.${step}`;
}

function titleOf({ kind, incident }: Notice): string {
  if (kind === "test") return "User sync: this is a test";
  return kind === "closed"
    ? `User sync: over: ${nameOf(incident)}`
    : `User sync ${incident.status}: ${nameOf(incident)}`;
}

function nameOf({ code, subject }: Incident): string {
  return subject === "" ? code : `${code} ${subject}`;
}

/** It ended when its reason was last seen to be gone; that it is over was known some minutes later. */
function timesOf({ kind, incident }: Notice): { since: string; opened_at: string; ended_at: string | null } {
  const ended = kind === "closed" ? (incident.absent_since ?? incident.closed_at) : null;
  const iso = (time: string) => new Date(time).toISOString();
  return {
    since: iso(incident.since),
    opened_at: iso(incident.opened_at),
    ended_at: ended === null ? null : iso(ended),
  };
}

function showTime(iso: string): string {
  return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}

/** verbatim: what looks like a name of a channel or a user in it is none. */
function section(text: string) {
  return { type: "section", text: { type: "mrkdwn", text, verbatim: true } };
}

/** The three characters that mean something to Slack in any text ("Formatting text for app surfaces"). */
function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
