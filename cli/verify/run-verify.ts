import { type Canary, makeCanary } from "./canary.ts";
import { type CleanUp, cleanUp, removeLeftovers, startCanary } from "./clean-up.ts";
import { explainDatabase } from "./explain-failure.ts";
import { planSteps } from "./plan-steps.ts";
import { type Run, type StepResult, takeStep } from "./take-step.ts";

type Verdict = "passed" | "failed" | "interrupted";

/** All that was seen of one run. */
export type Verification = {
  canary: string;
  verdict: Verdict;
  seconds: number;
  steps: StepResult[];
  cleanUp: CleanUp;
};

/** Sends a canary through the installation, step by step until one fails, and takes it out again whatever happens. */
export async function runVerify(run: Run, onStep: (result: StepResult) => void): Promise<Verification> {
  const startedAt = run.io.clock.now();
  const canary = makeCanary(startedAt, run.instanceId);
  const steps: StepResult[] = [];
  const add = (result: StepResult) => {
    steps.push(result);
    onStep(result);
  };
  const thrown = await takeSteps(canary, run, add).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (thrown === undefined || run.signal.aborted) skipRest(canary, steps, add);
  const cleaned = await cleanUpAfter(canary, steps, run);
  if (thrown !== undefined && !run.signal.aborted) throw thrown.error;
  const held = steps.every(({ state }) => state === "ok") && cleaned.done;
  const verdict = run.signal.aborted ? "interrupted" : held ? "passed" : "failed";
  const seconds = (run.io.clock.now() - startedAt) / 1000;
  return { canary: canary.clerkId, verdict, seconds, steps, cleanUp: cleaned };
}

/** Where not even the start was taken down, nothing was sent: a deletion would be all there is of the canary. */
async function cleanUpAfter(canary: Canary, steps: readonly StepResult[], run: Run): Promise<CleanUp> {
  const isOk = (name: string) => steps.some(({ step, state }) => step === name && state === "ok");
  if (!isOk("prepared")) return { done: true, what: "no canary was sent" };
  return cleanUp(canary.clerkId, isOk("deleted"), run);
}

async function takeSteps(canary: Canary, run: Run, add: (result: StepResult) => void): Promise<void> {
  const started = await startCanary(canary.clerkId, run);
  if ("reason" in started) {
    add({ step: "prepared", state: "failed", hops: {}, ...explainDatabase(started) });
    return;
  }
  add({ step: "prepared", state: "ok", hops: {}, what: await removeLeftovers(started.leftovers, run) });
  for (const step of planSteps(canary)) {
    const result = await takeStep(step, run);
    add(result);
    if (result.state === "failed") return;
  }
}

function skipRest(canary: Canary, steps: readonly StepResult[], add: (result: StepResult) => void): void {
  const seen = new Set(steps.map(({ step }) => step));
  for (const { name } of planSteps(canary)) {
    if (!seen.has(name)) add({ step: name, state: "skipped", hops: {}, what: "not tried" });
  }
}
