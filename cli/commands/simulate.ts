import type { Command } from "commander";
import { formatPlan, formatResult, isInStep, summarise } from "../../local/simulate/report.ts";
import { planSimulation, runSimulation } from "../../local/simulate/run-simulation.ts";
import { createAskRecords } from "../ask-records.ts";
import { askRows } from "../ask-rows.ts";
import type { CommandIo } from "../command-io.ts";
import { chooseProgress } from "../progress.ts";
import { readOptions, type SimulateOptions } from "../read-simulate-options.ts";
import { findTarget, requireSecret } from "../read-target.ts";

const examples = `
Examples:
  $ clerk-sync simulate
  $ clerk-sync simulate --count 10000 --users 500 --shuffle --duplicate --seed 7
  $ clerk-sync simulate --organizations 50 --shuffle
  $ clerk-sync simulate --url https://abc.supabase.co --secret whsec_… --secret-key sb_secret_… --rate 50

The same --seed a second time sends the same message ids: a server that has them answers "Duplicate event".
Organizations are checked where the configuration stores organizations and memberships.
Exits with 0 only when every event was accepted and every row was seen to be right.`;

/** Adds `clerk-sync simulate`. */
export function addSimulateCommand(program: Command, io: CommandIo): void {
  program
    .command("simulate")
    .description("Post signed Clerk events to a webhook and check that every user's row ends up right.")
    .option("--count <n>", "how many events", "100")
    .option("--users <n>", "how many users they are about (default: a third of the events)")
    .option("--organizations <n>", "how many organizations besides, with members who join, leave and come back", "0")
    .option("--rate <per second>", "deliveries started per second (default: as fast as it goes)")
    .option("--concurrency <n>", "deliveries in flight at once", "20")
    .option("--shuffle", "deliver in any order")
    .option("--duplicate", "deliver about a tenth of the events again, at random later places")
    .option("--seed <n>", "with the same --count and --users: the same users, events and order (default: random)")
    .option("--url <url>", "the webhook, or the base URL of the project (default: the local server)")
    .option("--secret <whsec_…>", "the webhook's signing secret (default: the local server's)")
    .option("--secret-key <key>", "the project's secret key, to read rows (default: the local server's)")
    .option("--env-file <file>", "variables to use, as the functions or the server have them")
    .option("--timeout <seconds>", "how long to wait for the rows", "60")
    .option("--json", "print one JSON object and nothing else")
    .addHelpText("after", examples)
    .action(async (given: unknown) => simulate(readOptions(given), io));
}

async function simulate(options: SimulateOptions, io: CommandIo): Promise<void> {
  const target = requireSecret((await findTarget(options, io)).target);
  const simulation = planSimulation(options, options.seed ?? io.drawSeed(), io.clock.now());
  if (!options.json) io.print(formatPlan(simulation, target.webhookUrl));

  const { webhookUrl, webhookSecret, rest } = target;
  const context = {
    options,
    endpoint: { url: webhookUrl, secret: webhookSecret },
    askRows: rest && ((clerkIds: readonly string[]) => askRows(clerkIds, rest, io)),
    askRecords: rest && createAskRecords(rest, io),
    progress: chooseProgress(options.json, io.terminal, io.print),
  };
  const result = await runSimulation(simulation, context, io);
  const summary = summarise(simulation, result);
  if (options.json) io.print(JSON.stringify(summary));
  else for (const line of formatResult(summary, result)) io.print(line);
  if (options.json && result.rows.state === "unchecked") io.note(`Rows were not checked: ${result.rows.reason}.`);
  io.setExitCode(isInStep(summary) ? 0 : 1);
}
