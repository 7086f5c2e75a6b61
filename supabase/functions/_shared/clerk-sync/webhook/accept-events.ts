import { z } from "zod";
import type { Config } from "../config/config.ts";
import {
  type AcceptedEvent,
  acceptedEventSchema,
  type CallFunction,
  createCallAs,
  type Database,
  type NewJob,
} from "../database/database.ts";
import { errorCode, SyncError } from "../errors.ts";
import { logger } from "../logger.ts";

/** Stores the events' jobs in the queue; returns what became of each, in their order. */
export type AcceptEvents = Database["enqueue"];

type AcceptEventsOptions = {
  call: CallFunction;
  /** Whether rows are written in the same call; `mirrors`: users are mirrored in Supabase Auth. Null: all is left to workers. */
  apply: { mirrors: boolean } | null;
  /** Unix milliseconds. */
  now?: () => number;
};

/** How the configuration wants rows to be written. The mirror is recorded as pending also where another process makes it. */
export function applyRules(config: Config): AcceptEventsOptions["apply"] {
  return config.applyAtOnce ? { mirrors: config.authMirror } : null;
}

type Waiting = {
  job: NewJob;
  maxAttempts: number;
  resolve: (accepted: AcceptedEvent) => void;
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
/**
 * PostgreSQL cuts a call that applies events after so long (clerk_sync_accept says so to PostgREST) and stores them. A call
 * that only stores gets more time: nothing comes after it.
 */
const limits = { apply: 2000, store: 5000 };
/** A call that takes longer than this is not waited for: what comes meanwhile is only stored, beside it. */
const slowMilliseconds = 500;
/**
 * After a call that was cut, or did not come back, events are only stored for so long, and workers apply them. Then one
 * event alone shows whether applying is quick again; if not, the rest is twice as long, up to the longest.
 */
const restMilliseconds = { first: 60_000, longest: 900_000 };
/**
 * How long an event waits for a call. With the longest two calls for it may take (3 and 6 s, until they are given up) and
 * 3 s for a connection this is below the 15 s after which Svix hangs up.
 */
const longestWaitMilliseconds = 2000;
/** Events of one call; the database holds their users' rows locked while it runs. */
const mostEvents = 50;

/** Events that are stored together. `applies`: their rows are written, too. */
type Call = { entries: readonly Waiting[]; applies: boolean; isSlow: boolean };

/**
 * Creates the acceptance of events: by clerk_sync_accept it stores their jobs and, where nothing stands in the way, writes
 * their users' rows. Events that come while calls are under way share one call and one
 * commit; a lone one never waits. A call that takes long, because something in the database hangs, holds up no
 * other event: those are only stored. When a call is refused its events are stored without being applied.
 */
export function createAcceptEvents(options: AcceptEventsOptions): AcceptEvents {
  const { apply, now = Date.now } = options;
  const callDatabase = createDatabaseCalls(options);
  const waiting = new Set<Waiting>();
  const calls = new Set<Call>();
  const rest = createRest(now);
  const quickCalls = () => [...calls].filter(({ isSlow }) => !isSlow);
  const mayStart = () => {
    const quick = quickCalls();
    if (quick.length === 0 || waiting.size === 0) return waiting.size > 0 && calls.size < mostCalls * 2;
    const inHand = quick.reduce((sum, { entries }) => sum + entries.length, 0);
    return quick.length < mostCalls && calls.size < mostCalls * 2 && (inHand < fewEvents || waiting.size >= mostEvents);
  };
  const start = () => {
    while (mayStart()) {
      const isBusy = [...calls].some(({ applies, isSlow }) => applies && (isSlow || rest.isTrial()));
      const applies = apply !== null && !isBusy && rest.isOver();
      const entries = takeTogether(waiting, applies && rest.isTrial() ? 1 : mostEvents);
      const call: Call = { entries, applies, isSlow: false };
      calls.add(call);
      void run(call).finally(() => {
        calls.delete(call);
        start();
      });
    }
  };
  const run = async (call: Call) => {
    const begun = now();
    const timer = setTimeout(() => {
      call.isSlow = true;
      start();
    }, slowMilliseconds);
    const isQuick = await send(call, callDatabase).finally(() => clearTimeout(timer));
    if (call.applies) rest.note(isQuick && now() - begun < limits.apply);
  };
  const store = (job: NewJob, maxAttempts: number) =>
    new Promise<AcceptedEvent>((resolve, reject) => {
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

/** When events may be applied again after a call that was cut. */
function createRest(now: () => number) {
  let milliseconds = 0;
  let until = 0;
  return {
    isOver: () => now() >= until,
    /** The rest is over, and no call has shown yet that applying is quick again. */
    isTrial: () => milliseconds > 0,
    note: (isQuick: boolean) => {
      if (isQuick && now() < until) return; // it began before the rest
      if (isQuick) milliseconds = 0;
      else if (now() >= until) {
        milliseconds = Math.min(milliseconds * 2 || restMilliseconds.first, restMilliseconds.longest);
        until = now() + milliseconds;
        logger.warn("webhook.only_storing", { seconds: milliseconds / 1000 });
      }
    },
  };
}

type DatabaseCall = (together: readonly Waiting[], applies: boolean) => Promise<AcceptedEvent[]>;

function createDatabaseCalls({ call, apply }: AcceptEventsOptions): DatabaseCall {
  const callAs = createCallAs(call);
  return (together, applies) => {
    const [first] = together;
    const jobs = { p_jobs: together.map(({ job }) => job), p_max_attempts: first?.maxAttempts };
    const answers = z.array(acceptedEventSchema);
    return applies && apply !== null
      ? callAs(answers, "clerk_sync_accept", { ...jobs, p_mirrors: apply.mirrors }, { limitMilliseconds: limits.apply })
      : callAs(answers, "clerk_sync_enqueue", jobs, { limitMilliseconds: limits.store });
  };
}

/** Takes the longest waiting; an event delivered twice at once waits for the next call, a call takes it once only. */
function takeTogether(waiting: Set<Waiting>, most: number): Waiting[] {
  const taken = new Map<string, Waiting>();
  for (const entry of waiting) {
    if (taken.size === most) break;
    if (taken.has(entry.job.event_id)) continue;
    taken.set(entry.job.event_id, entry);
    waiting.delete(entry);
    clearTimeout(entry.timer);
  }
  return [...taken.values()];
}

/**
 * Never rejects: each event's own caller hears of it. Law 1 asks for the queue only: what cannot be applied is stored
 * without it, together, else one by one. Returns false when the database did not answer in time, though storing alone works.
 */
async function send({ entries, applies }: Pick<Call, "entries" | "applies">, call: DatabaseCall): Promise<boolean> {
  try {
    const answers = await call(entries, applies);
    entries.forEach((entry, index) => {
      settle(entry, answers[index]);
    });
    logLeft(answers);
    return true;
  } catch (error) {
    if (applies) {
      logger.warn("webhook.not_applied", { code: errorCode(error), events: entries.length });
      const isStored = await send({ entries, applies: false }, call);
      return isAboutOne(error) || !isStored;
    }
    if (entries.length > 1 && isAboutOne(error)) {
      for (const entry of entries) await send({ entries: [entry], applies: false }, call);
    } else for (const { reject } of entries) reject(error);
    return false;
  }
}

/** Logs how many events the call left to a worker, by reason. */
function logLeft(answers: readonly AcceptedEvent[]): void {
  const reasons = answers.flatMap(({ left }) => left ?? []);
  if (reasons.length === 0) return;
  const counts = Object.fromEntries(
    [...new Set(reasons)].map((reason) => [reason, reasons.filter((other) => other === reason).length]),
  );
  logger.info("webhook.left_to_worker", counts);
}

function settle({ resolve, reject }: Waiting, answer: AcceptedEvent | undefined): void {
  if (answer !== undefined) resolve(answer);
  else reject(new SyncError("database_answer_invalid", "clerk_sync_accept answered nothing of an event."));
}

/** While the database is not there, trying each event alone would only keep all of them waiting. */
function isAboutOne(error: unknown): boolean {
  return !(error instanceof SyncError) || error.code !== "database_unavailable";
}
