import { configure, getConsoleSink, getLogger, type LogRecord } from "@logtape/logtape";

type Log = (event: string, properties?: Record<string, unknown>) => void;

/** What is used of LogTape's logger, so that the published types need none of its own. */
type Logger = Readonly<Record<"debug" | "info" | "warn" | "error", Log>>;

/** The logger of the system. Records carry codes, ids and counts; never a payload, secret, email or name. */
export const logger: Logger = getLogger(["clerk-sync"]);

export type LogLevel = "debug" | "info" | "warning" | "error";

/** Sends the system's log to standard output or error (by level) as one JSON object a line. Call once, at start. */
export async function startLogging(lowestLevel: LogLevel = "info"): Promise<void> {
  await configure({
    reset: true,
    sinks: { console: getConsoleSink({ formatter: formatLine }) },
    loggers: [
      { category: ["clerk-sync"], lowestLevel, sinks: ["console"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["console"] },
    ],
  });
}

function formatLine(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString();
  return JSON.stringify({ time, level: record.level, event: record.message.join(""), ...record.properties });
}
