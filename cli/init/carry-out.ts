import { isDeepStrictEqual } from "node:util";
import { SyncError } from "#core/errors.ts";
import type { CommandIo } from "../command-io.ts";
import { type Applied, applyPlan } from "./apply-plan.ts";
import type { Overwrite } from "./plan-files.ts";
import type { Plan } from "./plan-installation.ts";
import { configPath, type Project } from "./read-project.ts";
import { formatPlan } from "./report-plan.ts";

export type RunOptions = { yes: boolean; dryRun: boolean; json: boolean };

/** How a run ended. All but the first three leave something to do and count as failed. */
export type Outcome = "done" | "nothing_to_do" | "dry_run" | "conflicts" | "declined" | "needs_yes";

export type Result = { outcome: Outcome; plan: Plan } & Applied;

/** What to carry out: where, how to read the state of things, and how to plan from it. */
export type Work = {
  folder: string;
  question: string;
  read: () => Promise<Project>;
  plan: (project: Project, mayOverwrite: Overwrite) => Plan;
  mayOverwrite: Overwrite;
};

/** Plans, shows the plan, asks, and applies it: all of it or, before anything is written, nothing. */
export async function carryOut(work: Work, options: RunOptions, io: CommandIo): Promise<Result> {
  const project = await work.read();
  const first = work.plan(project, work.mayOverwrite);
  if (!options.json) for (const line of formatPlan(first)) io.print(line);
  const confirm = options.json || options.dryRun ? null : io.confirm;

  const mayOverwrite = await settleConflicts(work, project, confirm);
  if (mayOverwrite === "declined") return { outcome: "declined", plan: first, written: [], removed: [] };
  const plan = work.plan(project, mayOverwrite);
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

/** The paths of a plan where something else stands than was installed. */
export function listConflicts(plan: Plan): string[] {
  const files = plan.files.filter(({ state }) => state === "conflict").map(({ path }) => path);
  return plan.sections.some(({ state }) => state === "conflict") ? [...files, configPath] : files;
}

/** Asks about each conflict by name. One that no answer can settle is left in the plan, and nothing is asked. */
async function settleConflicts(
  work: Work,
  project: Project,
  confirm: CommandIo["confirm"],
): Promise<Overwrite | "declined"> {
  const conflicts = listConflicts(work.plan(project, work.mayOverwrite));
  const unsolvable = listConflicts(work.plan(project, () => true));
  if (confirm === null || unsolvable.length > 0) return work.mayOverwrite;
  for (const path of conflicts) {
    if (!(await confirm(`Overwrite ${path}? What is there now is lost.`))) return "declined";
  }
  return (path) => work.mayOverwrite(path) || conflicts.includes(path);
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
