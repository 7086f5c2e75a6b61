import { z } from "zod";
import {
  type CallFunction,
  createCallAs,
  type Database,
  type DeleteRules,
  type Enqueued,
  enqueuedSchema,
  type NewJob,
  ruleArguments,
} from "./database.ts";
import { SyncError } from "./errors.ts";

export type AcceptEventsOptions = DeleteRules & {
  call: CallFunction;
  /** Whether users are mirrored to Supabase Auth, which a worker does. */
  mirrors: boolean;
};

type Waiting = {
  job: NewJob;
  maxAttempts: number;
  resolve: (enqueued: Enqueued) => void;
  reject: (error: unknown) => void;
};

/** So many calls are under way at most; what comes meanwhile shares the next one. */
const mostCalls = 2;
/** Events of one call; the database holds their users' rows locked while it runs. */
const mostJobs = 50;

/**
 * Makes what the webhook stores events with: `Database["enqueue"]` over clerk_sync_accept, which also writes their
 * users' rows where nothing stands in the way. Events that come while calls are under way share one call and one
 * commit; a lone one never waits. When a shared call is refused, each of its events is tried alone.
 */
export function createAcceptEvents(options: AcceptEventsOptions): Database["enqueue"] {
  const accept = createAccept(options);
  const waiting: Waiting[] = [];
  let calls = 0;
  const start = () => {
    while (calls < mostCalls && waiting.length > 0) {
      calls += 1;
      void send(takeTogether(waiting), accept).finally(() => {
        calls -= 1;
        start();
      });
    }
  };
  const store = (job: NewJob, maxAttempts: number) =>
    new Promise<Enqueued>((resolve, reject) => {
      waiting.push({ job, maxAttempts, resolve, reject });
      start();
    });
  return (jobs, maxAttempts) => Promise.all(jobs.map((job) => store(job, maxAttempts)));
}

type Accept = (together: readonly Waiting[]) => Promise<Enqueued[]>;

function createAccept({ call, mirrors, ...rules }: AcceptEventsOptions): Accept {
  const callAs = createCallAs(call);
  return (together) =>
    callAs(z.array(enqueuedSchema), "clerk_sync_accept", {
      p_jobs: together.map(({ job }) => job),
      p_max_attempts: together[0]?.maxAttempts,
      p_mirrors: mirrors,
      ...ruleArguments(rules),
    });
}

/** Takes the longest waiting; an event delivered twice at once waits for the next call, a call takes it once only. */
function takeTogether(waiting: Waiting[]): Waiting[] {
  const ids = new Set<string>();
  const taken: Waiting[] = [];
  const left: Waiting[] = [];
  for (const entry of waiting.splice(0)) {
    const isRoom = taken.length < mostJobs && !ids.has(entry.job.event_id);
    (isRoom ? taken : left).push(entry);
    if (isRoom) ids.add(entry.job.event_id);
  }
  waiting.push(...left);
  return taken;
}

/** Never rejects: each event's own caller hears of it. */
async function send(together: readonly Waiting[], accept: Accept): Promise<void> {
  try {
    const answers = await accept(together);
    together.forEach((entry, index) => {
      settle(entry, answers[index]);
    });
  } catch (error) {
    if (together.length > 1 && isAboutOne(error)) for (const entry of together) await send([entry], accept);
    else for (const { reject } of together) reject(error);
  }
}

function settle({ resolve, reject }: Waiting, answer: Enqueued | undefined): void {
  if (answer !== undefined) resolve(answer);
  else reject(new SyncError("database_answer_invalid", "clerk_sync_accept answered nothing of an event."));
}

/** While the database is not there, trying each event alone would only keep all of them waiting. */
function isAboutOne(error: unknown): boolean {
  return !(error instanceof SyncError) || error.code !== "database_unavailable";
}
