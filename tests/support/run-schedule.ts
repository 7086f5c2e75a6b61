import type pg from "pg";
import { createDatabase, type Database, type JobOutcome, type MirrorOrder } from "#core/database.ts";
import { createMirrorUser, outcomeOfError } from "#core/mirror-user.ts";
import { createCallFunction } from "../../server/call-function.ts";
import type { Model } from "./clerk-model.ts";
import { createFakeAuthAdmin } from "./fake-auth-admin.ts";
import { createFaultyAuth, workerCrash } from "./faulty-auth.ts";
import { toJob } from "./queue.ts";
import { type Action, type Fault, type Schedule, workerCount } from "./schedule.ts";

/** What a worker has in hand between its steps. */
type Worker = { token: string; todo: MirrorOrder[]; outcomes: JobOutcome[]; leaseEnds: number };

/** One run of the system under a schedule: a database, Auth in memory, workers that move step by step. */
type System = {
  database: Database;
  auth: ReturnType<typeof createFakeAuthAdmin>;
  workers: (Worker | null)[];
  undelivered: { event: unknown; id: string }[];
  faults: Fault[];
  limit: number;
  clock: { seconds: number };
};

const leaseSeconds = 60;
const attempts = 1000;

/** Plays the schedule, then lets the system come to rest without further faults; returns Auth as it is then. */
export async function runSchedule(pool: pg.Pool, schedule: Schedule, model: Model, prefix: string) {
  const system = createSystem(pool, schedule, model, prefix);
  for (const action of schedule.actions) await play(system, action);
  await comeToRest(system, pool);
  return system.auth.users;
}

function createSystem(pool: pg.Pool, schedule: Schedule, model: Model, prefix: string): System {
  const clock = { seconds: 0 };
  const call = createCallFunction(pool);
  const start = Date.now();
  const events = model.events.map((event, place) => ({ event, id: `msg_${prefix}_${place}` }));
  const again = schedule.duplicates.flatMap((place) => events[place % events.length] ?? []);
  return {
    database: createDatabase((name, args) => call(name, { ...args, p_now: new Date(start + clock.seconds * 1000) })),
    auth: createFakeAuthAdmin(),
    workers: Array.from({ length: workerCount }, () => null),
    undelivered: [...events, ...again],
    faults: [...schedule.faults],
    limit: schedule.limit,
    clock,
  };
}

async function play(system: System, action: Action): Promise<void> {
  if (action.kind === "deliver") return deliver(system, action.place);
  if (action.kind === "rescue") return expireLeases(system);
  if (action.kind === "wait") {
    system.clock.seconds += action.seconds;
    return;
  }
  return workerActions[action.kind](system, action.worker);
}

const workerActions = { claim, mirror: mirrorNext, settle, crash, overtake };

async function expireLeases(system: System): Promise<void> {
  system.clock.seconds += leaseSeconds;
  await system.database.rescueJobs();
}

async function overtake(system: System, frozen: number): Promise<void> {
  await expireLeases(system);
  await deliver(system, 0);
  system.clock.seconds += 3;
  const other = system.workers.findIndex((worker, place) => worker === null && place !== frozen);
  if (other === -1) return;
  await claim(system, other);
  while ((system.workers[other]?.todo.length ?? 0) > 0) await mirrorNext(system, other);
  await settle(system, other);
}

async function deliver(system: System, place: number): Promise<void> {
  const [delivery] = system.undelivered.splice(place % Math.max(system.undelivered.length, 1), 1);
  if (delivery !== undefined) await system.database.enqueue([toJob(delivery.event, delivery.id)], attempts);
}

async function claim(system: System, place: number): Promise<void> {
  if (system.workers[place] !== null) return;
  const batch = await system.database.runJobs({ limit: system.limit, leaseSeconds, deleteMode: "hard" });
  if (batch.mirror.length === 0) return;
  system.workers[place] = {
    token: batch.token ?? "",
    todo: [...batch.mirror],
    outcomes: [],
    leaseEnds: system.clock.seconds + leaseSeconds,
  };
}

/** A worker may be frozen at any point, also past its lease, and then go on as if nothing had happened. */
async function mirrorNext(system: System, place: number): Promise<void> {
  const worker = system.workers[place];
  const order = worker?.todo.shift();
  if (!worker || order === undefined) return;
  const isStale = system.clock.seconds >= worker.leaseEnds;
  const nextFault = () => {
    const fault = system.faults.shift() ?? "none";
    return fault === "crash" && isStale ? "late" : fault; // see crash()
  };
  try {
    const { authUserId, ...mirror } = await createMirrorUser(createFaultyAuth(system.auth.auth, nextFault))(order);
    worker.outcomes.push({ job_id: order.job_id, outcome: "completed", auth_user_id: authUserId, mirror });
  } catch (error) {
    if (error === workerCrash) system.workers[place] = null;
    else worker.outcomes.push(outcomeOfError(order.job_id, error));
  }
}

async function settle(system: System, place: number): Promise<void> {
  const worker = system.workers[place];
  if (!worker) return;
  system.workers[place] = null;
  if (worker.outcomes.length > 0) await system.database.settleJobs(worker.token, worker.outcomes);
}

/**
 * A worker that was frozen past its lease, wrote an old state and died before it settled is the one case that
 * nothing in the database can tell; a full compare with Clerk mends it. Here such a worker settles instead.
 */
async function crash(system: System, place: number): Promise<void> {
  const worker = system.workers[place];
  if (worker && system.clock.seconds >= worker.leaseEnds) return settle(system, place);
  system.workers[place] = null;
}

async function comeToRest(system: System, pool: pg.Pool): Promise<void> {
  for (let worker = 0; worker < workerCount; worker++) await crash(system, worker);
  while (system.undelivered.length > 0) await deliver(system, 0);
  system.faults = [];
  for (let round = 0; round < 100; round++) {
    system.clock.seconds += 3600;
    await system.database.rescueJobs();
    const batch = await system.database.runJobs({ limit: 250, leaseSeconds, deleteMode: "hard" });
    if (batch.jobs.length === 0 && !(await hasOpenJobs(pool))) return;
    const mirror = createMirrorUser(system.auth.auth);
    const outcomes = await Promise.all(
      batch.mirror.map((order) =>
        mirror(order).then(
          ({ authUserId, ...result }): JobOutcome => ({
            job_id: order.job_id,
            outcome: "completed",
            auth_user_id: authUserId,
            mirror: result,
          }),
          (error: unknown) => outcomeOfError(order.job_id, error),
        ),
      ),
    );
    if (batch.mirror.length > 0) await system.database.settleJobs(batch.token ?? "", outcomes);
  }
  throw new Error("the queue did not come to rest in 100 rounds");
}

async function hasOpenJobs(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query(
    "select 1 from public.job_queue where status in ('PENDING', 'PROCESSING', 'FAILED') limit 1",
  );
  return rows.length > 0;
}
