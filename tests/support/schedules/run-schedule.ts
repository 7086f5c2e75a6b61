import { createMirrorUser } from "#core/mirror/mirror-user.ts";
import { outcomeOfError, outcomeOfMirror, outcomeOfRead } from "#core/worker/job-outcome.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { watchCircuit } from "#core/worker/watch-circuit.ts";
import { at } from "../clerk/build-event.ts";
import { toJob } from "../database/queue.ts";
import { forgedEvent, readAt } from "./clerk-model.ts";
import { createFaultyAuth, createFaultyRead, workerCrash } from "./faulty-auth.ts";
import { type Action, type Fault, type Schedule, workerCount } from "./schedule.ts";
import { createSystem, droppedPlaces, now, type Play, type System, type Worker } from "./schedule-system.ts";

const leaseSeconds = 60;
const attempts = 1000;

/** Plays the schedule, then lets the system come to rest without further faults; returns Auth as it is then. */
export async function runSchedule(play: Play) {
  const system = createSystem(play);
  for (const action of play.schedule.actions) await act(system, action);
  await comeToRest(system, play.schedule);
  return system.auth.users;
}

async function act(system: System, action: Action): Promise<void> {
  if (action.kind === "deliver") return deliver(system, action.place);
  if (action.kind === "rescue") return expireLeases(system);
  if (action.kind === "forge") return forge(system, `user_${system.prefix}_${action.user}`);
  if (action.kind === "refresh") return requestRefresh(system, [`user_${system.prefix}_${action.user}`]);
  if (action.kind === "wait") {
    system.clock.seconds += action.seconds;
    return;
  }
  return workerActions[action.kind](system, action.worker);
}

const workerActions = { claim, read: readNext, mirror: mirrorNext, settle, crash, overtake };

async function expireLeases(system: System): Promise<void> {
  system.clock.seconds += leaseSeconds;
  await system.database.rescueJobs();
}

/** Only users whom Clerk has by now: nobody else knows the id of one who is still to come. */
async function requestRefresh(system: System, clerkIds: readonly string[]): Promise<void> {
  if (!system.canRead) return;
  const known = clerkIds.filter((id) => readAt(system.model, system.clock.changes, id) !== null);
  const time = new Date(now(system.clock));
  await system.pool.query("select clerk_sync_request_refresh($1, 'test', $2)", [known, time]);
}

/** Ten years ahead. Without a read from Clerk's API it would last until the next event, so it is not sent then. */
async function forge(system: System, id: string): Promise<void> {
  if (!system.canRead || readAt(system.model, system.clock.changes, id) === null) return;
  const version = now(system.clock) - at(0) + 10 * 365 * 86_400_000;
  await system.accept(
    [toJob(forgedEvent(id, version), `msg_forged_${crypto.randomUUID()}`, system.rules.fields)],
    attempts,
  );
}

async function overtake(system: System, frozen: number): Promise<void> {
  await expireLeases(system);
  await deliver(system, 0);
  system.clock.seconds += 3;
  const other = system.workers.findIndex((worker, place) => worker === null && place !== frozen);
  if (other === -1) return;
  await claim(system, other);
  while ((system.workers[other]?.toRead.length ?? 0) > 0) await readNext(system, other);
  await readNext(system, other);
  while ((system.workers[other]?.toMirror.length ?? 0) > 0) await mirrorNext(system, other);
  await settle(system, other);
}

async function deliver(system: System, place: number): Promise<void> {
  const [delivery] = system.undelivered.splice(place % Math.max(system.undelivered.length, 1), 1);
  if (delivery === undefined) return;
  system.clock.changes = Math.max(system.clock.changes, delivery.place + 1);
  const store = delivery.place % 3 === 0 ? system.database.enqueue : system.accept;
  await store([toJob(delivery.event, delivery.id, system.rules.fields)], attempts);
}

async function claim(system: System, place: number): Promise<void> {
  if (system.workers[place] !== null) return;
  const batch = await system.database.runJobs({
    limit: system.limit,
    leaseSeconds,
    canRead: system.canRead,
    ...system.rules,
  });
  if (batch.mirror.length === 0 && batch.reads.length === 0) return;
  system.workers[place] = {
    token: batch.token,
    toRead: [...batch.reads],
    fresh: [],
    toMirror: [...batch.mirror],
    outcomes: [],
    auth: watchCircuit("auth"),
    clerk: watchCircuit("clerk"),
    leaseEnds: system.clock.seconds + leaseSeconds,
  };
}

/** Reads the next user; when all are read, applies what was read. The worker may be frozen in between. */
async function readNext(system: System, place: number): Promise<void> {
  const worker = system.workers[place];
  if (!worker) return;
  const order = worker.toRead.shift();
  if (order === undefined) return applyFresh(system, worker);
  const readUser = createFaultyRead(system.readUser, () => nextFault(system, worker));
  const result = await outcomeOfRead(
    order,
    (clerkId) => worker.clerk.run(() => readUser(clerkId)),
    system.rules.fields,
  );
  if ("deleted" in result) worker.fresh.push(result);
  else if (result.error?.includes(workerCrash.message)) system.workers[place] = null;
  else worker.outcomes.push(result);
}

async function applyFresh(system: System, worker: Worker): Promise<void> {
  if (worker.fresh.length === 0) return;
  const applied = await system.database.applyReads(worker.token, worker.fresh.splice(0), true, system.rules);
  worker.toMirror.push(...applied.mirror);
}

/** A worker that would die after its lease ran out goes on, see crash(). */
function nextFault(system: System, worker: Worker): Fault {
  const fault = system.faults.shift() ?? "none";
  return fault === "crash" && system.clock.seconds >= worker.leaseEnds ? "late" : fault;
}

/** A worker may be frozen at any point, also past its lease, and then go on as if nothing had happened. */
async function mirrorNext(system: System, place: number): Promise<void> {
  const worker = system.workers[place];
  const order = worker?.toMirror.shift();
  if (!worker || order === undefined) return;
  try {
    const auth = createFaultyAuth(system.auth.auth, () => nextFault(system, worker));
    const result = await worker.auth.run(() => createMirrorUser(auth)(order));
    worker.outcomes.push(outcomeOfMirror(order.job_id, result));
  } catch (error) {
    if (error === workerCrash) system.workers[place] = null;
    else worker.outcomes.push(outcomeOfError(order.job_id, error));
  }
}

async function settle(system: System, place: number): Promise<void> {
  const worker = system.workers[place];
  if (!worker) return;
  system.workers[place] = null;
  const calls = [worker.auth.calls(), worker.clerk.calls()];
  if (worker.outcomes.length > 0) await system.database.settleJobs(worker.token, worker.outcomes, calls);
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

/** All is delivered, whose events were lost is read afresh, nothing fails any more, dead letters are retried. */
async function comeToRest(system: System, schedule: Schedule): Promise<void> {
  for (let worker = 0; worker < workerCount; worker++) await crash(system, worker);
  while (system.undelivered.length > 0) await deliver(system, 0);
  system.clock.changes = system.model.changes.length;
  const missed = droppedPlaces(schedule, system.model).flatMap((place) => system.model.changes[place]?.user ?? []);
  await requestRefresh(
    system,
    missed.map((user) => user.clerkId),
  );
  const { database, auth, clock, rules } = system;
  const readUser = system.canRead ? system.readUser : null;
  const dependencies = { database, readUser, mirrorUser: createMirrorUser(auth.auth), now: () => now(clock), ...rules };
  for (let round = 0; round < 100; round++) {
    clock.seconds += 3600;
    await database.rescueJobs();
    await processQueue(dependencies, { budgetMilliseconds: 1 });
    if (!(await hasWork(system))) return;
  }
  throw new Error("the queue did not come to rest in 100 rounds");
}

/** Retries dead letters, as an operator would; true while anything is owed. */
async function hasWork({ pool, clock, canRead }: System): Promise<boolean> {
  const { rows } = await pool.query(
    `select clerk_sync_retry_matching_jobs('{"status": "DEAD"}', 500, $1) > 0
         or exists (select 1 from public.job_queue where status in ('PENDING', 'PROCESSING', 'FAILED'))
         or ($2 and exists (select 1 from clerk_sync.known_users where refresh_due_at is not null)) as owed`,
    [new Date(now(clock)), canRead],
  );
  return rows[0].owed;
}
