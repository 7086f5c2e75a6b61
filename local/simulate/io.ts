/** What a simulation touches outside itself: requests and time, in milliseconds. */
export type SimulationIo = {
  fetch: typeof fetch;
  clock: { now: () => number; sleep: (milliseconds: number) => Promise<void> };
};
