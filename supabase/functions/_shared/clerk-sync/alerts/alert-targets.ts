import type { AlertSettings } from "../config/config.ts";

/** Where notices go; the database knows targets by these names and never sees an address. */
export type AlertTarget = { name: "webhook"; url: string; secret: string | null } | { name: "slack"; url: string };

export type TargetName = AlertTarget["name"];

/** The targets that are configured; none: incidents are kept, nobody is told. */
export function listTargets({ webhookUrl, webhookSecret, slackUrl }: AlertSettings): AlertTarget[] {
  const webhook: AlertTarget[] =
    webhookUrl === null ? [] : [{ name: "webhook", url: webhookUrl, secret: webhookSecret }];
  return slackUrl === null ? webhook : [...webhook, { name: "slack", url: slackUrl }];
}
