import type { JobFilter } from "#core/admin-jobs-contract.ts";
import type { Filters } from "../../filters.ts";
import { readSince } from "../../since.ts";

export const filterNames = ["status", "job_type", "source", "code", "clerk_id", "since", "until", "q"] as const;
export type FilterName = (typeof filterNames)[number];
export type JobFilters = Filters<FilterName>;

/** The order of the tabs: what wants a person comes first. */
export const statusTabs = ["DEAD", "FAILED", "PENDING", "PROCESSING", "COMPLETED", "CANCELLED"] as const;
type Status = (typeof statusTabs)[number];

export const typeWords: Readonly<Record<NonNullable<JobFilter["job_type"]>, string>> = {
  USER_CREATED: "user created",
  USER_UPDATED: "user updated",
  USER_DELETED: "user deleted",
};

/** Where jobs come from. Source: the migration job_queue. */
export const sourceWords: Readonly<Record<string, string>> = {
  webhook: "webhook",
  refresh: "refresh from Clerk",
  ensure: "ensure-user",
  backfill: "backfill",
  reconcile: "reconcile",
  email_taken: "email moved on",
  lease_lost: "lease lost",
};

/** What the API is asked for; null for what stands in the address and is no filter. `now` in Unix milliseconds. */
export function toJobFilter(filters: JobFilters, now: number): JobFilter {
  const { status, job_type, source, code, clerk_id, since, until, q } = filters;
  const statuses = (status ?? "").split(",").filter(isStatus);
  const after = readSince(since, now);
  const before = readSince(until, now);
  return {
    ...(statuses.length > 0 && { status: statuses }),
    ...(isType(job_type) && { job_type }),
    ...(source && { source }),
    ...(code && { code }),
    ...(clerk_id && { clerk_id }),
    ...(after && { created_after: after }),
    ...(before && { created_before: before }),
    ...(q && { q }),
  };
}

function isStatus(text: string): text is Status {
  return statusTabs.some((status) => status === text);
}

function isType(text: string | undefined): text is keyof typeof typeWords {
  return text !== undefined && Object.hasOwn(typeWords, text);
}

/** The statuses an action can change. */
const changeable: Readonly<Record<"retry" | "cancel", readonly string[]>> = {
  retry: ["FAILED", "DEAD", "CANCELLED"],
  cancel: ["PENDING", "PROCESSING", "FAILED", "DEAD"],
};

/** The ids of those jobs that the action would change. */
export function idsFor(action: "retry" | "cancel", jobs: readonly { id: string; status: string }[]): string[] {
  return jobs.filter(({ status }) => changeable[action].includes(status)).map(({ id }) => id);
}
