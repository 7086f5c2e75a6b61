import type { Difference } from "./compare-user.ts";
import type { Simulation, SimulationResult } from "./run-simulation.ts";

/** The result as `--json` prints it. */
type Summary = {
  seed: number;
  events: number;
  deliveries: number;
  users: number;
  /** Events that got a 2xx at least once; the others are rejected. */
  accepted: number;
  rejected: number;
  /** The last status of each delivery, counted; "network" and "timeout" where nothing answered. */
  statuses: Record<string, number>;
  /** Deliveries beyond the first of an event. */
  duplicates: number;
  inStep: number;
  outOfStep: number;
  /** Users whose rows were compared; 0 when they could not be. */
  checked: number;
  differences: Difference[];
  /** From the first delivery to the last answer. */
  seconds: number;
  eventsPerSecond: number;
};

/** Sums a run up. */
export function summarise({ seed, scenario, deliveries }: Simulation, result: SimulationResult): Summary {
  const { rows, tally, accepted } = result;
  const seconds = Math.max(0.001, result.seconds);
  return {
    seed,
    events: scenario.events,
    deliveries: deliveries.length,
    users: scenario.users,
    accepted,
    rejected: scenario.events - accepted,
    statuses: tally.statuses,
    duplicates: deliveries.length - scenario.events,
    inStep: rows.state === "checked" ? rows.inStep : 0,
    outOfStep: rows.state === "checked" ? rows.outOfStep : 0,
    checked: rows.state === "checked" ? scenario.users : 0,
    differences: rows.state === "checked" ? rows.differences : [],
    seconds: Math.round(seconds * 1000) / 1000,
    eventsPerSecond: Math.round(scenario.events / seconds),
  };
}

/** True when everything arrived and every user was seen to be right. */
export function isInStep(summary: Summary): boolean {
  return summary.rejected === 0 && summary.inStep === summary.users;
}

const format = new Intl.NumberFormat("en-US").format;

/** What is about to be sent, in a sentence or two. */
export function formatPlan({ seed, scenario, deliveries }: Simulation, url: string): string {
  const repeats = deliveries.length - scenario.events;
  const repeated = repeats === 0 ? "" : `, ${format(repeats)} of them delivered again`;
  return `Seed ${seed}: ${format(scenario.events)} events of ${format(scenario.users)} users${repeated}, to ${url}`;
}

/** The result for a person: the sum last when all is well, else followed by what is wrong and where to look. */
export function formatResult(summary: Summary, result: SimulationResult): string[] {
  return [
    `Posted in ${summary.seconds.toFixed(1)} s, ${format(summary.eventsPerSecond)} events per second.`,
    `${format(summary.events)} events: ${format(summary.accepted)} accepted, ${format(summary.rejected)} rejected. ${formatRows(summary, result)}`,
    ...formatRejections(summary, result),
    ...formatDifferences(summary, result),
  ];
}

function formatRows(summary: Summary, { rows }: SimulationResult): string {
  if (rows.state === "unchecked") return `Rows were not checked: ${rows.reason}.`;
  return `${format(summary.inStep)} of ${format(summary.users)} users in step.`;
}

const adviceByStatus: readonly (readonly [RegExp, string])[] = [
  [/^401$/, "Next: compare --secret with the signing secret of this endpoint (CLERK_WEBHOOK_SECRET)."],
  [/^404$/, "Next: check --url; the webhook's path is /functions/v1/clerk-webhook."],
  [/^(network|timeout)$/, "Next: see whether the server is still running, and its log."],
  [/^5/, "Next: look at the log of the server; 503 means that its database is down."],
];

function formatRejections(summary: Summary, { tally }: SimulationResult): string[] {
  if (summary.rejected === 0) return [];
  const counts = Object.entries(tally.statuses).map(([status, count]) => `${status} ${format(count)} times`);
  const seen = tally.samples[0]?.status ?? "";
  const advice = adviceByStatus.find(([status]) => status.test(seen))?.[1];
  const samples = tally.samples.map(({ status, text }) => `  ${status} ${text}`);
  return [`Answers: ${counts.join(", ")}. The first refusals:`, ...samples, ...(advice === undefined ? [] : [advice])];
}

/** Nothing after a refusal: rows differ because events did not arrive, which was said already. */
function formatDifferences(summary: Summary, { rows }: SimulationResult): string[] {
  const [first] = summary.differences;
  if (rows.state === "unchecked" || first === undefined || summary.rejected > 0) return [];
  const shown = summary.differences.map(
    ({ clerkId, field, expected, actual }) =>
      `  ${clerkId} ${field}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(actual)}`,
  );
  const waiting =
    rows.unfinished === 0
      ? []
      : [`${format(rows.unfinished)} users still have work in the queue: is a worker running? --timeout waits longer.`];
  const query = `select job_type, status, error, history from public.job_queue where clerk_id = '${first.clerkId}'`;
  return ["The first differences:", ...shown, ...waiting, `Next: look at that user's jobs: ${query};`];
}
