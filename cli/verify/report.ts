import type { CleanUp } from "./clean-up.ts";
import type { Hops } from "./job.ts";
import type { Verification } from "./run-verify.ts";
import type { StepResult } from "./take-step.ts";

/** Which clock each hop is measured by. */
export const clocks: Readonly<Record<keyof Hops, "this machine" | "database">> = {
  answer: "this machine",
  applied: "database",
  mirrored: "database",
  total: "this machine",
};

const hopWords: Readonly<Record<keyof Hops, string>> = {
  answer: "request to answer",
  applied: "stored to row",
  mirrored: "row to Auth",
  total: "in all",
};

const marks: Readonly<Record<StepResult["state"], string>> = { ok: "✓", failed: "✗", skipped: "–" };

/** One line a step with its times; below a failed one what to do. */
export function formatStep(result: StepResult): string[] {
  const hop = result.state === "failed" ? ` (${result.hop})` : "";
  const line = `${marks[result.state]} ${result.step}${hop}: ${result.what}${formatHops(result.hops)}`;
  return result.state === "failed" ? [line, `    ${result.remedy}`] : [line];
}

function formatHops(hops: Hops): string {
  const names = Object.keys(hopWords) as (keyof Hops)[];
  const parts = names.flatMap((name) => (hops[name] === undefined ? [] : [`${hopWords[name]} ${hops[name]} ms`]));
  return parts.length === 0 ? "" : ` [${parts.join(", ")}]`;
}

/** What is said at the end: the clean-up, whose clocks the times are of, and the verdict. */
export function formatVerdict({ verdict, steps, cleanUp, seconds }: Verification): string[] {
  const failed = steps.find((step) => step.state === "failed");
  const verdicts = {
    passed: `The installation works: every step held, in ${seconds.toFixed(1)} s.`,
    interrupted: "Interrupted: nothing is proved.",
    failed: failed?.state === "failed" ? `Failed at ${failed.step}, ${failed.hop}.` : "Failed: the canary is not gone.",
  };
  const wasSent = steps.some(({ step, state }) => step === "prepared" && state === "ok");
  const times =
    "Times: to the answer and in all by this machine's clock, which asks ten times a second; the others by the database's.";
  return [...(wasSent ? [...formatCleanUp(cleanUp), times] : []), verdicts[verdict]];
}

function formatCleanUp({ done, what, remedy }: CleanUp): string[] {
  const line = `${done ? "✓" : "!"} cleaned up: ${what}`;
  return remedy === undefined ? [line] : [line, `    ${remedy}`];
}

/** Interrupted as a shell says it, so that a script can tell. */
export function exitCodeOf({ verdict }: Pick<Verification, "verdict">): number {
  return { passed: 0, failed: 1, interrupted: 130 }[verdict];
}
