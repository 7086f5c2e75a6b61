import type { JobFilter } from "#core/admin/contract/jobs.ts";

/** The longest code a filter takes. Source: jobFilterSchema. */
const longest = 80;

/** Finds the jobs of a group; null when a filter cannot: without a code it would find every dead letter. */
export function groupFilter(code: string): JobFilter | null {
  return code === "" || code.length > longest ? null : { status: ["DEAD"], code };
}
