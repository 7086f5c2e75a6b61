import { isDeepStrictEqual } from "node:util";
import { SyncError } from "#core/errors.ts";
import type { Choice, CommandIo } from "../command-io.ts";
import { type Applied, applyPlan } from "./apply-plan.ts";
import { listConflicts } from "./list-conflicts.ts";
import type { Decide } from "./plan-files.ts";
import type { Plan } from "./plan-installation.ts";
import type { Project } from "./read-project.ts";
import { formatPlan } from "./report-plan.ts";

export type RunOptions = { yes: boolean; dryRun: boolean; json: boolean; verbose: boolean };

/** How a run ended. All but the first three leave something to do and count as failed. */
export type Outcome = "done" | "nothing_to_do" | "dry_run" | "conflicts" | "declined" | "needs_yes";

export type Result = { outcome: Outcome; plan: Plan } & Applied;

/** What to carry out: where, how to read the state of things, and how to plan from it. */
export type Work = {
  folder: string;
  question: string;
  read: () => Promise<Project>;
  plan: (project: Project, decide: Decide) => Plan;
  decide: Decide;
};

type Answer = "overwrite" | "keep" | "stop";

const choices: readonly Choice<Answer>[] = [
  { value: "overwrite", label: "Take ours; what is there now is lost" },
  { value: "keep", label: "Keep mine, also next time" },
  { value: "stop", label: "Stop, and change nothing" },
];

/** Plans, shows the plan, asks, and applies it: all of it or, before anything is written, nothing. */
export async function carryOut(work: Work, options: RunOptions, io: CommandIo): Promise<Result> {
  const project = await work.read();
  const first = work.plan(project, work.decide);
  if (!options.json) for (const line of formatPlan(first, options.verbose)) io.print(line);
  const isSilent = options.json || options.dryRun;
  const confirm = isSilent ? null : io.confirm;

  const decide = await settleConflicts(work, project, isSilent ? null : io.choose);
  if (decide === "declined") return { outcome: "declined", plan: first, written: [], removed: [] };
  const plan = work.plan(project, decide);
  const stop = await findReasonToStop(plan, options, confirm === null ? null : () => confirm(work.question));
  if (stop !== null) return { outcome: stop, plan, written: [], removed: [] };

  if (!isDeepStrictEqual(await work.read(), project)) {
    throw new SyncError(
      "project_invalid",
      "The project was changed in the meantime. Nothing was written; run it again.",
    );
  }
  return { outcome: "done", plan, ...(await applyPlan(work.folder, plan)) };
}

/** Asks about each conflict by name. One that cannot be overwritten is left in the plan, and nothing is asked. */
async function settleConflicts(
  work: Work,
  project: Project,
  choose: CommandIo["choose"],
): Promise<Decide | "declined"> {
  const conflicts = listConflicts(work.plan(project, work.decide));
  const unsolvable = listConflicts(work.plan(project, (path) => work.decide(path) ?? "overwrite"));
  if (choose === null || unsolvable.length > 0) return work.decide;
  const answers = new Map<string, "overwrite" | "keep">();
  for (const { path, text } of conflicts) {
    const answer = await choose(`${text}.`, choices);
    if (answer === null || answer === "stop") return "declined";
    answers.set(path, answer);
  }
  return (path) => work.decide(path) ?? answers.get(path) ?? null;
}

async function findReasonToStop(
  plan: Plan,
  options: RunOptions,
  ask: (() => Promise<boolean>) | null,
): Promise<Exclude<Outcome, "done"> | null> {
  if (listConflicts(plan).length > 0) return "conflicts";
  if (plan.writes.length === 0 && plan.deletes.length === 0) return "nothing_to_do";
  if (options.dryRun) return "dry_run";
  if (options.yes) return null;
  if (ask === null) return "needs_yes";
  return (await ask()) ? null : "declined";
}
