/** A rate of an instance: so many requests in so many seconds (Clerk docs, "System limits"). */
export type Rate = { requests: number; seconds: number };

/**
 * Counts the requests of the last `seconds`. Returns how many seconds the next one has to wait (Retry-After), 0 when
 * it may pass; only those that pass count.
 */
export function createRateLimit({ requests, seconds }: Rate, now: () => number): () => number {
  const passed: number[] = [];
  let first = 0;
  return () => {
    const time = now();
    while (first < passed.length && (passed[first] ?? 0) <= time - seconds * 1000) first += 1;
    if (passed.length - first < requests) {
      passed.push(time);
      return 0;
    }
    return Math.max(1, Math.ceil(((passed[first] ?? 0) + seconds * 1000 - time) / 1000));
  };
}
