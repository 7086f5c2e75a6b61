import { z } from "zod";
import { jobSchema } from "#core/database/job.ts";
import { deliver } from "../../local/simulate/deliver.ts";
import { callRpc, type RpcFailure } from "../call-rpc.ts";
import { deletionMessage } from "./canary.ts";
import { isHeldByBrake } from "./job.ts";
import type { Run } from "./take-step.ts";

const startedSchema = z.object({ leftovers: z.array(z.string()) });
const removedSchema = z.object({
  removed: z.boolean(),
  rows: z.number(),
  states: z.number(),
  jobs: z.number(),
  waiting: z.array(jobSchema),
});

type Removed = z.infer<typeof removedSchema>;

/** What became of the canary; `what` says it in words. */
export type CleanUp = { done: boolean; what: string; remedy?: string };

const pollMilliseconds = 250;
const longestPatienceMilliseconds = 10_000;
const deletionAttempts = 3;

/** Takes down that a canary is coming. The answer names those of earlier runs that are still here. */
export async function startCanary(clerkId: string, run: Run): Promise<{ leftovers: string[] } | RpcFailure> {
  const call = { name: "clerk_sync_start_canary", args: { p_clerk_id: clerkId }, schema: startedSchema };
  const answer = await callRpc(run.rest, call, run.io);
  return "reason" in answer ? answer : answer.value;
}

/** Removes what earlier runs that died have left; answers how many are gone and how many wait on. */
export async function removeLeftovers(clerkIds: readonly string[], run: Run): Promise<string> {
  if (clerkIds.length === 0) return "no canary of an earlier run is left";
  const deadline = deadlineOf(run);
  let removed = 0;
  for (const clerkId of clerkIds) {
    const { done } = await removeCanary(clerkId, { run, deadline, isDeleted: false });
    if (done) removed += 1;
  }
  const waiting = clerkIds.length - removed;
  return `canaries of earlier runs: ${removed} removed${waiting === 0 ? "" : `, ${waiting} still wait for their deletion`}`;
}

/** Takes the canary of this run out again. `isDeleted`: its deletion is already complete. */
export async function cleanUp(clerkId: string, isDeleted: boolean, run: Run): Promise<CleanUp> {
  return removeCanary(clerkId, { run, deadline: deadlineOf(run), isDeleted });
}

function deadlineOf({ io, timeoutSeconds }: Run): number {
  return io.clock.now() + Math.min(timeoutSeconds * 1000, longestPatienceMilliseconds);
}

type Removal = { run: Run; deadline: number; isDeleted: boolean };

/** Never stopped by the user: what it leaves behind would be in the project. */
async function removeCanary(clerkId: string, { run, deadline, isDeleted }: Removal): Promise<CleanUp> {
  const { io, endpoint, instanceId } = run;
  const deletion = deletionMessage(clerkId, io.clock.now(), instanceId);
  if (!isDeleted) await deliver(deletion, { ...endpoint, attempts: deletionAttempts }, io);
  for (;;) {
    const call = { name: "clerk_sync_remove_canary", args: { p_clerk_id: clerkId }, schema: removedSchema };
    const answer = await callRpc(run.rest, call, io);
    const isLate = io.clock.now() >= deadline;
    if ("value" in answer && answer.value.removed) return { done: true, what: describeRemoved(answer.value) };
    if ("reason" in answer && (isLate || !answer.retryable)) return left(clerkId, answer.reason);
    if ("value" in answer && (isLate || answer.value.waiting.some(isHeldByBrake)))
      return left(clerkId, describeWaiting(answer.value));
    await io.clock.sleep(pollMilliseconds);
  }
}

function describeRemoved({ rows, states, jobs }: Removed): string {
  return `the canary is gone (rows: ${rows}, states: ${states}, jobs: ${jobs})`;
}

function describeWaiting({ waiting }: Removed): string {
  if (waiting.length === 0) return "its deletion has not reached the queue";
  return waiting
    .map(({ job_type, status, error }) => `${job_type} is ${status}${error === null ? "" : ` (${error})`}`)
    .join(", ");
}

function left(clerkId: string, reason: string): CleanUp {
  return {
    done: false,
    what: `${clerkId} stays for now: ${reason}`,
    remedy: "It may still be in Supabase Auth, so its jobs are kept. A verify in an hour or later takes it out.",
  };
}
