import type { JobCounts } from "#core/admin/contract/jobs.ts";
import { formatCount } from "../../format-time.ts";

/** "1,410", or "10,000+" where there was more to look at than was looked at: then even a small count is a beginning. */
export function tellCount({ statuses, most, at_least }: JobCounts, status: keyof JobCounts["statuses"]): string {
  const count = statuses[status] ?? 0;
  const isBeginning = at_least === undefined ? count >= most : at_least.includes(status);
  return `${formatCount(count)}${isBeginning ? "+" : ""}`;
}
