import { readWebhookSecret } from "#core/http/sign-webhook.ts";
import type { CommandIo } from "../command-io.ts";
import type { SignedTarget } from "../read-target.ts";
import { buildMessage } from "./build-event.ts";
import { checkRows, type Expectations, type RowCheck } from "./check-rows.ts";
import { createHistories } from "./draw-history.ts";
import { expectUser } from "./expect-user.ts";
import { planDeliveries } from "./plan-deliveries.ts";
import { eventsOf, planScenario, type Scenario } from "./plan-scenario.ts";
import { postDeliveries } from "./post-deliveries.ts";
import type { Progress } from "./progress.ts";
import type { SimulateOptions } from "./read-options.ts";
import { countAccepted, type Tally } from "./tally.ts";

/** What is sent: the same for the same seed, count and users. */
export type Simulation = {
  seed: number;
  scenario: Scenario;
  deliveries: Uint32Array;
  histories: ReturnType<typeof createHistories>;
};

/** What came of it. */
export type SimulationResult = { tally: Tally; accepted: number; seconds: number; rows: RowCheck };

type RunContext = { options: SimulateOptions; target: SignedTarget; progress: Progress };

/** Draws the users, their histories and the order of delivery. */
export function planSimulation(options: SimulateOptions, seed: number, now: number): Simulation {
  const scenario = planScenario({ seed, count: options.count, users: options.users, now });
  return { seed, scenario, deliveries: planDeliveries(scenario, options), histories: createHistories(scenario) };
}

/** Posts everything, waits for the rows and compares them. Throws SyncError when nobody answers. */
export async function runSimulation(
  simulation: Simulation,
  context: RunContext,
  io: Pick<CommandIo, "fetch" | "clock">,
): Promise<SimulationResult> {
  readWebhookSecret(context.target.webhookSecret); // a damaged secret fails here, with its reason
  const start = io.clock.now();
  const tally = await post(simulation, context, io);
  const seconds = (io.clock.now() - start) / 1000;
  const rows = await check(simulation, tally, { ...context, io });
  return { tally, accepted: countAccepted(tally), seconds, rows };
}

async function post(
  { scenario, deliveries, histories }: Simulation,
  { options, target, progress }: RunContext,
  io: Pick<CommandIo, "fetch" | "clock">,
): Promise<Tally> {
  const messageOf = (event: number) => buildMessage(scenario, event, histories(scenario.ownerOf[event] ?? 0));
  const endpoint = { url: target.webhookUrl, secret: target.webhookSecret };
  return await withProgress(progress, { label: "Posted", total: deliveries.length }, (onProgress) =>
    postDeliveries(
      { deliveries, events: scenario.events, messageOf },
      { ...endpoint, concurrency: options.concurrency, rate: options.rate },
      { ...io, onProgress },
    ),
  );
}

async function check(
  { scenario, histories }: Simulation,
  tally: Tally,
  { options, target, progress, io }: RunContext & { io: Pick<CommandIo, "fetch" | "clock"> },
): Promise<RowCheck> {
  const { rest } = target;
  if (rest === null)
    return { state: "unchecked", reason: "no secret key is known for this address; pass --secret-key" };
  const expectations: Expectations = {
    users: scenario.users,
    expected: (user) => expectUser(histories(user)),
    isKnown: (user) => eventsOf(scenario, user).some((event) => tally.acceptedEvents[event] === 1),
  };
  return await withProgress(progress, { label: "Users in step", total: scenario.users }, (onProgress) =>
    checkRows(expectations, { ...rest, timeoutMs: options.timeout * 1000 }, { ...io, onProgress }),
  );
}

/** Stops the bar whatever happens, or the error that follows is written into it. */
async function withProgress<Result>(
  progress: Progress,
  step: { label: string; total: number },
  run: (onProgress: (value: number) => void) => Promise<Result>,
): Promise<Result> {
  progress.start(step.label, step.total);
  try {
    return await run(progress.update);
  } finally {
    progress.stop();
  }
}
