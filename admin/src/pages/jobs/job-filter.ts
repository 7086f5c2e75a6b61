import type { JobFilter } from "#core/admin/contract/jobs.ts";
import type { Filters } from "../../filters.ts";
import { typeWords } from "../../job-words.ts";
import { readSince } from "../../since.ts";

export const filterNames = ["status", "job_type", "source", "code", "clerk_id", "since", "until", "q"] as const;
export type FilterName = (typeof filterNames)[number];
export type JobFilters = Filters<FilterName>;

/** The order of the tabs: what wants a person comes first. */
export const statusTabs = ["DEAD", "FAILED", "PENDING", "PROCESSING", "COMPLETED", "CANCELLED"] as const;
type Status = (typeof statusTabs)[number];

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
