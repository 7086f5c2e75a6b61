import type { Difference, JobsState, Run } from "#core/reconcile/runs-database.ts";
import type { RunWatcher } from "#core/reconcile/step.ts";
import type { CommandIo } from "../command-io.ts";
import type { Progress } from "../progress.ts";

/** What is gathered while a run is walked. */
export type RunFindings = {
  /** Until every user was read; what follows is waiting for jobs. */
  readSeconds: number;
  /** Requests to Clerk's API by this process. */
  requests: number;
  differences: Difference[];
  /** Differences that were found and not kept. */
  moreDifferences: number;
  unreadable: string[];
};

/** A run over millions of users must not fill the memory. */
const keptDifferences = 10_000;
const stallMilliseconds = 30_000;

/** Gathers what a run finds, draws how far it is, and says when it does not move. */
export function watchRun(found: RunFindings, progress: Progress, io: CommandIo): RunWatcher {
  const start = io.clock.now();
  const show = createSteps(progress);
  const noteStall = createStallNote(io);
  const jobs = { due: 0, most: 0 };
  return {
    onStep: ({ counts, phase, kind, cursor, users_at_clerk }: Run) => {
      if (!phase.startsWith("settle")) found.readSeconds = (io.clock.now() - start) / 1000;
      if (phase === "walk" && kind !== "sweep") show("Users read", counts["read"] ?? 0, users_at_clerk ?? 0);
      noteStall.check(`${phase} ${JSON.stringify(cursor)} ${jobs.due}`);
    },
    onJobs: ({ due }: JobsState) => {
      Object.assign(jobs, { due, most: Math.max(jobs.most, due) });
      if (jobs.most > 0) show("Jobs done", jobs.most - due, jobs.most);
    },
    onDifferences: (differences) => {
      const named = differences.filter(({ kind }) => kind !== "pending");
      const kept = named.slice(0, keptDifferences - found.differences.length);
      found.differences.push(...kept);
      found.moreDifferences += named.length - kept.length;
    },
    onWait: ({ message }, seconds) => {
      noteStall.pause(seconds);
      io.note(`${message.replace(/\.?$/, ".")} Asking again in ${seconds} s …`);
    },
    onUnreadable: (clerkIds) => void found.unreadable.push(...clerkIds),
  };
}

/** Draws one step after the other. */
function createSteps(progress: Progress): (label: string, value: number, total: number) => void {
  let current = "";
  return (label, value, total) => {
    if (label !== current) {
      progress.stop();
      progress.start(label, total, value);
      current = label;
    }
    progress.update(value);
  };
}

/**
 * Says once that nothing moves: a run waits for its jobs, and nobody may be there to do them. While it is known what
 * is waited for, it is paused.
 */
function createStallNote(io: CommandIo): { check: (state: string) => void; pause: (seconds: number) => void } {
  const last = { state: "", since: 0, isSaid: false };
  const pause = (seconds: number) => {
    last.since = io.clock.now() + seconds * 1000;
  };
  const check = (state: string) => {
    if (state !== last.state) Object.assign(last, { state, since: io.clock.now() });
    if (last.isSaid || io.clock.now() - last.since < stallMilliseconds) return;
    last.isSaid = true;
    io.note(
      "Nothing has moved for half a minute. Does a worker work through the queue (clerk-sync serve, or the schedule)?",
    );
  };
  return { check, pause };
}
