import { reset } from "@logtape/logtape";
import { onTestFinished, vi } from "vitest";
import { type LogLevel, startLogging } from "../../../supabase/functions/_shared/clerk-sync/logger.ts";

export type LogLine = { method: "debug" | "info" | "warn" | "error"; text: string };

/** Collects what the system logs until the test ends, with the console method each line went to. */
export async function captureLog(level: LogLevel = "debug"): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for (const method of ["debug", "info", "warn", "error"] as const) {
    const spy = vi.spyOn(console, method).mockImplementation((...parts: unknown[]) => {
      lines.push({ method, text: parts.map(String).join(" ") });
    });
    onTestFinished(() => spy.mockRestore());
  }
  onTestFinished(() => reset());
  await startLogging(level);
  return lines;
}
