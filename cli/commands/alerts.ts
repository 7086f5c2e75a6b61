import type { Command } from "commander";
import { z } from "zod";
import { SyncError } from "#core/errors.ts";
import { readAlertState } from "../alerts/read-state.ts";
import { sendTestAlert } from "../alerts/send-test.ts";
import type { CommandIo } from "../command-io.ts";
import { type AlertState, explainAlerts } from "../doctor/check-alerts.ts";
import { formatFindings } from "../doctor/finding.ts";
import { findTarget, targetOptionsSchema } from "../read-target.ts";

const examples = `
Examples:
  $ clerk-sync alerts
  $ clerk-sync alerts --test --env-file .env.clerk-sync

Who is told is configured where the queue is worked on, by ALERT_SLACK_URL and ALERT_WEBHOOK_URL: docs/alerts.md.
--test exits with 1 unless every target there accepted the test notice.`;

const optionsSchema = targetOptionsSchema.extend({
  test: z.boolean().default(false),
  json: z.boolean().default(false),
});

type Options = z.infer<typeof optionsSchema>;

/** Adds `clerk-sync alerts`. */
export function addAlertsCommand(program: Command, io: CommandIo): void {
  program
    .command("alerts")
    .description("Show the open incidents and who is told of them, or send a test notice.")
    .option("--test", "send a test notice to every target that is configured, and say what became of it")
    .option("--url <url>", "the webhook, or the base URL of the project (default: the local server)")
    .option("--supabase-url <url>", "the project, where the webhook is not one of its functions")
    .option("--secret-key <key>", "the project's secret key (default: the local server's)")
    .option("--env-file <file>", "variables to use, as the functions or the server have them")
    .option("--json", "print JSON and nothing else")
    .addHelpText("after", examples)
    .action(async (given: unknown) => alerts(optionsSchema.parse(given), io));
}

async function alerts(options: Options, io: CommandIo): Promise<void> {
  const { rest, webhookUrl } = (await findTarget(options, io)).target;
  if (rest === null) {
    throw new SyncError(
      "usage_invalid",
      "Pass --secret-key, or set SUPABASE_SECRET_KEY, the secret key of this project.",
    );
  }
  if (!options.test) {
    const state = await readAlertState(rest, io);
    for (const line of options.json ? [JSON.stringify(state)] : describe(state)) io.print(line);
    return;
  }
  const findings = await sendTestAlert({ rest, webhookUrl }, io);
  for (const line of options.json ? [JSON.stringify(findings)] : formatFindings(findings)) io.print(line);
  io.setExitCode(findings.every(({ state }) => state === "ok") ? 0 : 1);
}

function describe(state: AlertState): string[] {
  const open = state.open.flatMap(({ code, subject, status, what, since, remedy }) => [
    `✗ ${[code, subject].filter(Boolean).join(" ")} (${status}) since ${since}: ${what}`,
    `    ${remedy}`,
  ]);
  return [...formatFindings(explainAlerts(state)), ...(open.length === 0 ? ["✓ incidents: none is open"] : open)];
}
