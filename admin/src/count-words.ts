import { formatCount } from "./format-time.ts";

/** "1 job waits", "1,200 jobs wait". */
export function countOf(count: number, one: string, many: string): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
