import type { AdminRun, RunSlice } from "#core/admin/contract/overview.ts";

export type Difference = RunSlice["differences"][number];

/** A run as this tab walks it. */
export type Drive = {
  kind: AdminRun["kind"];
  applies: boolean;
  run: AdminRun | null;
  /** The first thousand. */
  differences: readonly Difference[];
  /** How many more there were. */
  more: number;
  isDriving: boolean;
};

const mostShown = 1000;

export function newDrive(kind: AdminRun["kind"], applies: boolean): Drive {
  return { kind, applies, run: null, differences: [], more: 0, isDriving: true };
}

export function addSlice(drive: Drive, { run, is_over, differences }: RunSlice): Drive {
  const all = [...drive.differences, ...differences];
  return {
    ...drive,
    run: run ?? drive.run,
    differences: all.slice(0, mostShown),
    more: drive.more + Math.max(0, all.length - mostShown),
    isDriving: drive.isDriving && !is_over,
  };
}
