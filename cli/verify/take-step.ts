import { z } from "zod";
import type { UserRecord } from "#core/admin/contract/users.ts";
import { compareUser } from "../../local/simulate/compare-user.ts";
import { deliver, type Endpoint, type Outcome } from "../../local/simulate/deliver.ts";
import { askRows } from "../ask-rows.ts";
import type { Rest } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";
import { askAuthUser } from "./ask-auth-user.ts";
import {
  explainAnswer,
  explainAuth,
  explainDatabase,
  explainJob,
  explainRow,
  type Failure,
} from "./explain-failure.ts";
import { askJob, type Hops, isSettled, type Job, measureHops } from "./job.ts";
import type { Step } from "./plan-steps.ts";

/**
 * Where and how long a run asks; `signal` is given when the user wants it to end. The canary passes for a user of
 * `instanceId`; null: of no instance of Clerk's.
 */
export type Run = {
  endpoint: Endpoint;
  instanceId: string | null;
  rest: Rest;
  timeoutSeconds: number;
  signal: AbortSignal;
  io: Pick<CommandIo, "fetch" | "clock">;
};

export type StepResult =
  | { step: string; state: "ok"; what: string; hops: Hops }
  | ({ step: string; state: "failed"; hops: Hops } & Failure)
  | { step: string; state: "skipped"; what: string; hops: Hops };

const pollMilliseconds = 100;
const answerSchema = z.object({ message: z.string().optional(), jobId: z.string().optional() });

/** Delivers one event and waits until all it must bring about is seen, or something else is. */
export async function takeStep(step: Step, run: Run): Promise<StepResult> {
  run.signal.throwIfAborted();
  const sentAt = run.io.clock.now();
  const outcome = await deliver(step.message, { ...run.endpoint, attempts: 1 }, run.io);
  const hops: Hops = { answer: run.io.clock.now() - sentAt };
  const failed = (failure: Failure): StepResult => ({ step: step.name, state: "failed", hops, ...failure });

  const { message, jobId } = readAnswer(outcome);
  let job: Job | null = null;
  if (step.answer === "duplicate") {
    const isRight = outcome.status === "200" && message === "Duplicate event";
    if (!isRight) return failed(explainAnswer(outcome, 'a 200 "Duplicate event"'));
  } else {
    if (outcome.status !== "202" || jobId === undefined) return failed(explainAnswer(outcome, "a 202 with a jobId"));
    const waited = await waitForJob(jobId, run);
    if ("hop" in waited) return failed(waited);
    Object.assign(hops, measureHops(waited), { total: run.io.clock.now() - sentAt });
    if (waited.status !== "COMPLETED") return failed(explainJob(jobId, waited, run.timeoutSeconds));
    job = waited;
  }
  const seen = await checkRow(step, run);
  if ("hop" in seen) return failed(seen);
  const wrong = await checkMirror(step, job, run);
  return wrong === null ? { step: step.name, state: "ok", hops, what: seen.what } : failed(wrong);
}

function readAnswer({ text }: Outcome): z.infer<typeof answerSchema> {
  try {
    return answerSchema.catch({}).parse(JSON.parse(text));
  } catch {
    return {}; // no JSON: not an answer of ours, which the status check says
  }
}

/** The job when it is settled, or as it was seen last when the time is up and it is not. */
async function waitForJob(id: string, { rest, timeoutSeconds, signal, io }: Run): Promise<Job | Failure> {
  const deadline = io.clock.now() + timeoutSeconds * 1000;
  for (;;) {
    signal.throwIfAborted();
    const answer = await askJob(id, rest, io);
    const isLate = io.clock.now() >= deadline;
    if ("reason" in answer) {
      if (isLate || !answer.retryable) return explainDatabase(answer);
    } else if (answer.value === null) return explainJob(id, null, timeoutSeconds);
    else if (isSettled(answer.value)) return answer.value;
    else if (isLate) return answer.value;
    await io.clock.sleep(pollMilliseconds);
  }
}

async function checkRow({ name, expected, proves }: Step, { rest, io }: Run): Promise<{ what: string } | Failure> {
  const answer = await askRows([expected.clerkId], rest, io);
  if ("reason" in answer) return explainDatabase(answer);
  const stored = answer.value[0];
  const differences = compareUser(expected, stored);
  if (differences.length > 0) return explainRow(differences, stored?.table);
  return { what: name === "deleted" && isKept(stored) ? "the row is kept, marked as deleted" : proves };
}

function isKept(stored: UserRecord | undefined): boolean {
  return (stored?.row?.deleted_at ?? null) !== null;
}

/** Looks into Supabase Auth where the job says that it was mirrored; without a mirror there is nothing to see. */
async function checkMirror({ expected }: Step, job: Job | null, { rest, io }: Run): Promise<Failure | null> {
  if (job?.result?.mirror === undefined) return null;
  const answer = await askAuthUser(expected.clerkId, rest, io);
  if ("reason" in answer) return explainAuth(answer.reason, answer.status);
  const { user } = answer;
  if (expected.deleted) return user === null ? null : explainAuth("the user is still in Supabase Auth");
  if (user === null) return explainAuth("the user is not in Supabase Auth");
  const isRight = user.email === expected.said["email"] && user.name === expected.said["name"];
  return isRight ? null : explainAuth("the user in Supabase Auth has another email or name");
}
