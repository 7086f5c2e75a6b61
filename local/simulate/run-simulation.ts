import { readWebhookSecret } from "#core/http/sign-webhook.ts";
import { buildMessage } from "./build-event.ts";
import { type AskRows, checkRows, type Expectations, type RowCheck } from "./check-rows.ts";
import type { Endpoint } from "./deliver.ts";
import { createHistories } from "./draw-history.ts";
import { expectUser } from "./expect-user.ts";
import type { SimulationIo } from "./io.ts";
import { buildOrganizationMessage } from "./organizations/build-organization-event.ts";
import { type AskRecords, checkRecords, type RecordCheck } from "./organizations/check-records.ts";
import { drawOrganizations, type OrganizationHistory } from "./organizations/draw-organization.ts";
import { expectOrganization } from "./organizations/expect-organization.ts";
import { type DeliveryOrder, planDeliveries } from "./plan-deliveries.ts";
import { eventsOf, planScenario, type Scenario } from "./plan-scenario.ts";
import { type PostOptions, postDeliveries } from "./post-deliveries.ts";
import { countAccepted, type Tally } from "./tally.ts";

/** What is sent: the same for the same seed, count and users. */
export type Simulation = {
  seed: number;
  scenario: Scenario;
  deliveries: Uint32Array;
  histories: ReturnType<typeof createHistories>;
  organizations: readonly OrganizationHistory[];
  /** Of users and of organizations. */
  events: number;
};

/** What came of it. */
export type SimulationResult = {
  tally: Tally;
  accepted: number;
  seconds: number;
  rows: RowCheck;
  records: RecordCheck;
};

type SimulationOptions = DeliveryOrder &
  Omit<PostOptions, keyof Endpoint> & {
    /** Events. */
    count: number;
    users: number;
    organizations: number;
    /** Seconds to wait for the rows. */
    timeout: number;
  };

/** What draws how far a step is. */
type Progress = {
  start: (label: string, total: number) => void;
  update: (value: number) => void;
  stop: () => void;
};

type RunContext = {
  options: SimulationOptions;
  endpoint: Endpoint;
  /** Null: no secret key is known, and the rows are not checked. */
  askRows: AskRows | null;
  askRecords: AskRecords | null;
  progress: Progress;
};

/** Draws the users, their histories and the order of delivery. */
export function planSimulation(options: SimulationOptions, seed: number, now: number): Simulation {
  const scenario = planScenario({ seed, count: options.count, users: options.users, now });
  const organizations = drawOrganizations(scenario, options.organizations);
  const times = organizations.flat().map(({ at }) => at);
  const deliveries = planDeliveries(scenario, options, times);
  const events = scenario.events + times.length;
  return { seed, scenario, deliveries, histories: createHistories(scenario), organizations, events };
}

/** Posts everything, waits for the rows and compares them. Throws SyncError when nobody answers. */
export async function runSimulation(
  simulation: Simulation,
  context: RunContext,
  io: SimulationIo,
): Promise<SimulationResult> {
  readWebhookSecret(context.endpoint.secret); // a damaged secret fails here, with its reason
  const start = io.clock.now();
  const tally = await post(simulation, context, io);
  const seconds = (io.clock.now() - start) / 1000;
  const rows = await check(simulation, tally, { ...context, io });
  const records = await checkAllRecords(simulation, { ...context, io });
  return { tally, accepted: countAccepted(tally), seconds, rows, records };
}

async function post(
  { scenario, deliveries, histories, organizations, events }: Simulation,
  { options, endpoint, progress }: RunContext,
  io: SimulationIo,
): Promise<Tally> {
  const happenings = organizations.flat();
  const messageOf = (event: number) => {
    const happening = happenings[event - scenario.events];
    if (happening !== undefined) return buildOrganizationMessage(scenario, event - scenario.events, happening);
    return buildMessage(scenario, event, histories(scenario.ownerOf[event] ?? 0));
  };
  return await withProgress(progress, { label: "Posted", total: deliveries.length }, (onProgress) =>
    postDeliveries(
      { deliveries, events, messageOf },
      { ...endpoint, concurrency: options.concurrency, rate: options.rate },
      { ...io, onProgress },
    ),
  );
}

async function check(
  { scenario, histories }: Simulation,
  tally: Tally,
  { options, askRows, progress, io }: RunContext & { io: SimulationIo },
): Promise<RowCheck> {
  if (askRows === null)
    return { state: "unchecked", reason: "no secret key is known for this address; pass --secret-key" };
  const expectations: Expectations = {
    users: scenario.users,
    expected: (user) => expectUser(histories(user)),
    isKnown: (user) => eventsOf(scenario, user).some((event) => tally.acceptedEvents[event] === 1),
  };
  return await withProgress(progress, { label: "Users in step", total: scenario.users }, (onProgress) =>
    checkRows(expectations, { askRows, timeoutMs: options.timeout * 1000 }, { ...io, onProgress }),
  );
}

async function checkAllRecords(
  { scenario, histories, organizations }: Simulation,
  { options, askRecords, progress, io }: RunContext & { io: SimulationIo },
): Promise<RecordCheck> {
  if (organizations.length === 0) return { state: "checked", inStep: 0, outOfStep: 0, differences: [] };
  if (askRecords === null) return { state: "unchecked", reason: "no secret key is known" };
  const gone = new Set(
    Array.from({ length: scenario.users }, (_, user) => expectUser(histories(user)))
      .filter(({ deleted }) => deleted)
      .map(({ clerkId }) => clerkId),
  );
  const expected = organizations.flatMap((history) => expectOrganization(history, (userId) => gone.has(userId)));
  return await withProgress(
    progress,
    { label: "Organizations and memberships in step", total: expected.length },
    (onProgress) => checkRecords(expected, { askRecords, timeoutMs: options.timeout * 1000 }, { ...io, onProgress }),
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
