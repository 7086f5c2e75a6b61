import { z } from "zod";
import type { Finding } from "./finding.ts";

/** What clerk_sync_alert_state answers. */
export const alertStateSchema = z.object({
  targets: z.array(
    z.object({
      name: z.string(),
      last_sent_at: z.string().nullable(),
      unsent: z.number(),
      last_error: z.string().nullable(),
    }),
  ),
  open: z.array(
    z.object({
      code: z.string(),
      subject: z.string(),
      status: z.string(),
      what: z.string(),
      remedy: z.string(),
      since: z.string(),
    }),
  ),
  notices: z.array(
    z.object({
      target: z.string(),
      sent_at: z.string().nullable(),
      attempts: z.number(),
      last_error: z.string().nullable(),
    }),
  ),
});

export type AlertState = z.infer<typeof alertStateSchema>;

const check = "alerts";

export const nobodyIsTold = {
  what: "nobody is told of incidents: no target is configured where the queue is worked on",
  remedy: "Set ALERT_SLACK_URL or ALERT_WEBHOOK_URL there, then run: clerk-sync alerts --test (docs/alerts.md)",
};

/** Whether somebody is told of incidents, and whether that arrives. */
export function explainAlerts({ targets }: AlertState): Finding[] {
  if (targets.length === 0) return [{ check, state: "skipped", ...nobodyIsTold }];
  return targets.map(({ name, unsent, last_error, last_sent_at }) => {
    const remedy = "docs/errors.md explains the code; after a correction run: clerk-sync alerts --test";
    if (last_error !== null) {
      return { check, state: "warning", what: `${name}: ${unsent} notices wait after ${last_error}`, remedy };
    }
    const last = last_sent_at === null ? "nothing was sent yet" : `last accepted ${last_sent_at}`;
    return { check, state: "ok", what: `${name} is told of incidents, ${last}` };
  });
}
