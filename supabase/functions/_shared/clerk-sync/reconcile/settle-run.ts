import type { Step } from "./run-step.ts";

/**
 * The last step of a run: waits until its jobs are through, then takes down how many users there are at Clerk and here.
 * Jobs that failed and wait for another attempt, deletions that wait for the delete brake and dead letters are counted
 * and not waited for.
 */
export const settleRun: Step = async ({ run }, { runs, clerk, watcher }) => {
  if (!run.applies || run.phase === "settled") return "done";
  const { due, users, ...left } = await runs.jobsState(run.id);
  watcher.onJobs?.({ due, users, ...left });
  if (due > 0 || users === null) return "wait";
  return { phase: "settled", users_at_clerk: await clerk.countUsers(), counts: { users_here: users, ...left } };
};
