import { readFile } from "node:fs/promises";

/** What a process has used so far. */
export type Usage = { cpuMilliseconds: number; peakMegabytes: number };

export async function readUsage(): Promise<Usage> {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  return { cpuMilliseconds: (userCPUTime + systemCPUTime) / 1000, peakMegabytes: (await readPeak()) / 1024 };
}

/** Kilobytes. Linux counts into maxRSS what the process had that started this one; VmHWM is this program's own. */
async function readPeak(): Promise<number> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const kilobytes = status.match(/^VmHWM:\s+(\d+) kB$/m)?.[1];
  return kilobytes === undefined ? process.resourceUsage().maxRSS : Number(kilobytes);
}
