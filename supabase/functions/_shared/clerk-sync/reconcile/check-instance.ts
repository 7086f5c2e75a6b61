import { SyncError } from "../errors.ts";
import type { RunStep } from "./runs-database.ts";
import type { LeasedRun, StepDependencies } from "./step.ts";

const sampleSize = 100;

/** So few unknown users are no sign of a wrong instance, whatever their share: a small project has few users. */
const harmlessCount = 10;

/**
 * The first step of every run, and of every process that carries one on: counts the users at Clerk where all are walked, and looks for a hundred of ours there. With the key of
 * another instance a run would bring strangers in and delete everybody else.
 * Throws SyncError `clerk_instance_mismatch`.
 */
export const checkInstance = async (
  { kind }: LeasedRun,
  { runs, clerk, mostUnknownPercent }: StepDependencies,
): Promise<RunStep> => {
  const counted = kind === "sweep" ? {} : { users_at_clerk: await clerk.countUsers() };
  const sample = await runs.sampleUsers(sampleSize);
  if (sample.length > 0) {
    const { users, unreadable } = await clerk.readUsers(sample);
    refuseUnknown(sample.length - users.length - unreadable.length, sample.length, mostUnknownPercent);
  }
  return { phase: "walk", ...counted };
};

/** Throws SyncError `clerk_instance_mismatch` when so many of our users are unknown to Clerk that it must be another's. */
export function refuseUnknown(unknown: number, users: number, mostPercent: number): void {
  const isMany = unknown > harmlessCount && unknown * 100 > users * mostPercent;
  const isAll = unknown === users && mostPercent < 100;
  if (users === 0 || !(isMany || isAll)) return;
  throw new SyncError(
    "clerk_instance_mismatch",
    `Clerk does not know ${unknown} of ${users} users looked for. Is CLERK_SECRET_KEY that of the instance they came from? ` +
      "If they were deleted there: clerk-sync reconcile --apply --max-unknown 100",
  );
}
