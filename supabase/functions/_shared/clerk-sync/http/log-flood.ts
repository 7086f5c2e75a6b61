import { logger } from "../logger.ts";

const everyMilliseconds = 1000;

export type FloodLog = (properties?: Record<string, string>) => void;

/** Makes a log line for a flood of requests, which must not become a flood of lines: one a second tells how many. */
export function createFloodLog(event: string, now: () => number, level: "info" | "error" = "error"): FloodLog {
  let count = 0;
  let loggedAt = Number.NEGATIVE_INFINITY;
  return (properties = {}) => {
    count += 1;
    if (now() - loggedAt < everyMilliseconds) return;
    logger[level](event, { ...properties, count });
    loggedAt = now();
    count = 0;
  };
}
