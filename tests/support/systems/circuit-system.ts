import type { ReadUser } from "#core/clerk/read-user.ts";
import type { CircuitName } from "#core/database/database.ts";
import { type Batch, createDatabase, type Database } from "#core/database/database.ts";
import { SyncError } from "#core/errors.ts";
import { createMirrorUser, type MirrorUser } from "#core/mirror/mirror-user.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { userEvent } from "../clerk/build-event.ts";
import { rootFields } from "../clerk/root-fields.ts";
import { createQueue, type Queue, toJob } from "../database/queue.ts";
import { createFakeAuthAdmin } from "../supabase/fake-auth-admin.ts";

/** A service that a test turns off and on, and the calls it got while it was off. */
export type Service = { failure: SyncError | null; callsInVain: number };

type Clock = { seconds: number; now: () => number };

/** The queue at a time of the test's own, with Supabase Auth in memory. Clerk's API knows no user. */
export type CircuitSystem = Queue & {
  timed: Database;
  clock: Clock;
  auth: Service;
  clerk: Service;
  users: ReturnType<typeof createFakeAuthAdmin>["users"];
  /** Works through what is due now, as a worker with mirror and CLERK_SECRET_KEY does. */
  work: (options?: { mirrorUser?: MirrorUser | null }) => Promise<void>;
  claim: (limit?: number) => Promise<Batch>;
  sendNow: (...events: unknown[]) => Promise<void>;
  circuit: (name: CircuitName) => Promise<Record<string, unknown>>;
  jobOf: (clerkId: string) => Promise<Record<string, unknown> | undefined>;
  /** Lets Auth fail for so many new users that its circuit opens. */
  openAuth: (count?: number) => Promise<void>;
  /** To the moment at which an open circuit may be probed. */
  passPause: (name: CircuitName) => Promise<void>;
};

export const authDown = new SyncError("auth_unavailable", "Supabase Auth answered 503.", { retryable: true });
export const clerkDown = new SyncError("clerk_unavailable", "Clerk's API answered 503.", { retryable: true });
export const created = (id: string) => userEvent("user.created", { id, version: 1 });
export const ids = (count: number, prefix = "user") => Array.from({ length: count }, (_, n) => `${prefix}_${n}`);

const rules = { fields: rootFields, deleteBrake: null } as const;

export async function createCircuitSystem(): Promise<CircuitSystem> {
  const queue = await createQueue();
  const clock = createClock();
  const call = createCallFunction(queue.pool);
  const timed = createDatabase((name, args) => call(name, { ...args, p_now: new Date(clock.now()) }));
  const [auth, clerk] = [createService(), createService()];
  const { auth: door, users } = createFakeAuthAdmin();
  const mirror = guard(auth, createMirrorUser(door));
  const readUser: ReadUser = guard(clerk, async () => ({ deleted: true }));
  const work: CircuitSystem["work"] = async ({ mirrorUser = mirror } = {}) => {
    await timed.rescueJobs();
    await processQueue({ database: timed, mirrorUser, readUser, now: clock.now, ...rules }, { budgetMilliseconds: 1 });
  };
  const sendNow = createSend(timed);
  const circuit = (name: CircuitName) => readCircuit(queue, name);
  return {
    ...queue,
    ...{ timed, clock, auth, clerk, users, work, sendNow, circuit },
    claim: (limit = 100) => timed.runJobs({ limit, leaseSeconds: 60, canRead: true, ...rules }),
    jobOf: (clerkId) => queue.one("select * from public.job_queue where clerk_id = $1", [clerkId]),
    openAuth: async (count = 6) => {
      auth.failure = authDown;
      await sendNow(...ids(count, "first").map(created));
      await work();
    },
    passPause: async (name) => {
      const wait = Date.parse(String((await circuit(name))["next_probe"])) - clock.now();
      clock.seconds += Math.ceil(wait / 1000);
    },
  };
}

function createClock(): Clock {
  const start = Date.now();
  const clock: Clock = { seconds: 0, now: () => start + clock.seconds * 1000 };
  return clock;
}

function createSend(database: Database): CircuitSystem["sendNow"] {
  let sent = 0;
  return async (...events) => {
    const jobs = events.map((event) => toJob(event, `msg_${sent++}`));
    if (jobs.length > 0) await database.enqueue(jobs, 15);
  };
}

async function readCircuit(queue: Queue, name: CircuitName): Promise<Record<string, unknown>> {
  const row = await queue.one("select public.clerk_sync_circuits() as circuits");
  const circuits = row?.["circuits"] as Record<string, unknown>[];
  return circuits.find((circuit) => circuit["name"] === name) ?? {};
}

function createService(): Service {
  return { failure: null, callsInVain: 0 };
}

function guard<Argument, Answer>(service: Service, call: (argument: Argument) => Promise<Answer>) {
  return async (argument: Argument): Promise<Answer> => {
    if (service.failure === null) return call(argument);
    service.callsInVain += 1;
    throw service.failure;
  };
}
