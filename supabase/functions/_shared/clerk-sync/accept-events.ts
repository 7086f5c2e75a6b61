import { z } from "zod";
import type { Config } from "./config.ts";
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

export type AcceptEventsOptions = {
  call: CallFunction;
  /** How rows are written at once; `mirrors`: users are owed to Supabase Auth as well. Null: all is left to workers. */
  apply: (DeleteRules & { mirrors: boolean }) | null;
};

/** What is configured of it. */
export function applyRules(config: Config, mirrors: boolean): AcceptEventsOptions["apply"] {
  const { deleteMode, deleteBrake } = config;
  return config.applyAtOnce ? { deleteMode, deleteBrake, mirrors } : null;
}

type Waiting = {
  job: NewJob;
  maxAttempts: number;
  resolve: (enqueued: Enqueued) => void;
  reject: (error: unknown) => void;
  timer: ReturnType<typeof setTimeout>;
};

/** So many calls are under way at most; what comes meanwhile shares the next one. */
const mostCalls = 2;
/**
 * While so many events are in hand, the next ones wait for them to share a call, unless they fill one: twenty events in
 * one call cost the database half of what ten and ten cost it, and a call takes a few milliseconds.
 */
const fewEvents = 4;
/** With the longest a call may take (9 s, and 3 s for a connection) below the 15 s after which Svix hangs up. */
const longestWaitMilliseconds = 2000;
/** Events of one call; the database holds their users' rows locked while it runs. */
const mostEvents = 50;

/**
 * Makes what the webhook stores events with: `Database["enqueue"]` which, by clerk_sync_accept, also writes their
 * users' rows where nothing stands in the way. Events that come while calls are under way share one call and one
 * commit; a lone one never waits. When a shared call is refused, each of its events is tried alone.
 */
export function createAcceptEvents(options: AcceptEventsOptions): Database["enqueue"] {
  const accept = createAccept(options);
  const waiting = new Set<Waiting>();
  const calls = new Set<readonly Waiting[]>();
  const mayStart = () => {
    if (calls.size === 0 || waiting.size === 0) return waiting.size > 0;
    const inHand = [...calls].reduce((sum, call) => sum + call.length, 0);
    return calls.size < mostCalls && (inHand < fewEvents || waiting.size >= mostEvents);
  };
  const start = () => {
    while (mayStart()) {
      const call = takeTogether(waiting);
      calls.add(call);
      void send(call, accept).finally(() => {
        calls.delete(call);
        start();
      });
    }
  };
  const store = (job: NewJob, maxAttempts: number) =>
    new Promise<Enqueued>((resolve, reject) => {
      const giveUp = () => {
        waiting.delete(entry);
        reject(
          new SyncError("database_unavailable", "The database is still busy with earlier events.", { retryable: true }),
        );
      };
      const entry = { job, maxAttempts, resolve, reject, timer: setTimeout(giveUp, longestWaitMilliseconds) };
      waiting.add(entry);
      start();
    });
  return (jobs, maxAttempts) => Promise.all(jobs.map((job) => store(job, maxAttempts)));
}

type Accept = (together: readonly Waiting[]) => Promise<Enqueued[]>;

function createAccept({ call, apply }: AcceptEventsOptions): Accept {
  const callAs = createCallAs(call);
  const [name, how] = apply === null ? ["clerk_sync_enqueue", {}] : ["clerk_sync_accept", applyArguments(apply)];
  return (together) => {
    const [first] = together;
    const jobs = together.map(({ job }) => job);
    return callAs(z.array(enqueuedSchema), name, { p_jobs: jobs, p_max_attempts: first?.maxAttempts, ...how });
  };
}

function applyArguments({ mirrors, ...rules }: DeleteRules & { mirrors: boolean }) {
  return { p_mirrors: mirrors, ...ruleArguments(rules) };
}

/** Takes the longest waiting; an event delivered twice at once waits for the next call, a call takes it once only. */
function takeTogether(waiting: Set<Waiting>): Waiting[] {
  const taken = new Map<string, Waiting>();
  for (const entry of waiting) {
    if (taken.size === mostEvents) break;
    if (taken.has(entry.job.event_id)) continue;
    taken.set(entry.job.event_id, entry);
    waiting.delete(entry);
    clearTimeout(entry.timer);
  }
  return [...taken.values()];
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
