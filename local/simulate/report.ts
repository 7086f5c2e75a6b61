import type { Difference } from "./compare-user.ts";
import type { Simulation, SimulationResult } from "./run-simulation.ts";

/** The result as `--json` prints it. */
type Summary = {
  seed: number;
  events: number;
  deliveries: number;
  users: number;
  organizations: number;
  /** Organizations and memberships that are, or are not, as they must be; null when they were not compared. */
  records: { inStep: number; outOfStep: number } | null;
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
export function summarise(simulation: Simulation, result: SimulationResult): Summary {
  const { seed, scenario, deliveries, organizations, events } = simulation;
  const { rows, records, tally, accepted } = result;
  const seconds = Math.max(0.001, result.seconds);
  return {
    seed,
    events,
    deliveries: deliveries.length,
    users: scenario.users,
    organizations: organizations.length,
    records: records.state === "checked" ? { inStep: records.inStep, outOfStep: records.outOfStep } : null,
    accepted,
    rejected: events - accepted,
    statuses: tally.statuses,
    duplicates: deliveries.length - events,
    inStep: rows.state === "checked" ? rows.inStep : 0,
    outOfStep: rows.state === "checked" ? rows.outOfStep : 0,
    checked: rows.state === "checked" ? scenario.users : 0,
    differences: [rows, records].flatMap((check) => (check.state === "checked" ? check.differences : [])),
    seconds: Math.round(seconds * 1000) / 1000,
    eventsPerSecond: Math.round(events / seconds),
  };
}

/** True when everything arrived and every user, organization and membership was seen to be right. */
export function isInStep({ rejected, inStep, users, records }: Summary): boolean {
  return rejected === 0 && inStep === users && records?.outOfStep === 0;
}

const format = new Intl.NumberFormat("en-US").format;

/** What is about to be sent, in a sentence or two. */
export function formatPlan({ seed, scenario, deliveries, organizations, events }: Simulation, url: string): string {
  const repeats = deliveries.length - events;
  const repeated = repeats === 0 ? "" : `, ${format(repeats)} of them delivered again`;
  const more = organizations.length === 0 ? "" : ` and ${format(organizations.length)} organizations`;
  return `Seed ${seed}: ${format(events)} events of ${format(scenario.users)} users${more}${repeated}, to ${url}`;
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

function formatRows(summary: Summary, { rows, records }: SimulationResult): string {
  if (rows.state === "unchecked") return `Rows were not checked: ${rows.reason}.`;
  const users = `${format(summary.inStep)} of ${format(summary.users)} users in step.`;
  if (summary.organizations === 0) return users;
  if (records.state === "unchecked") return `${users} Organizations were not checked: ${records.reason}.`;
  const all = records.inStep + records.outOfStep;
  return `${users} ${format(records.inStep)} of ${format(all)} organizations and memberships in step.`;
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
