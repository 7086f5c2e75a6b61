/** What a process has used so far. */
export type Usage = { cpuMilliseconds: number; peakMegabytes: number };

export async function readUsage(): Promise<Usage> {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  return { cpuMilliseconds: (userCPUTime + systemCPUTime) / 1000, peakMegabytes: maxRSS / 1024 };
}
