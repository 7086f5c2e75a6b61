import { Presets, SingleBar } from "cli-progress";

/** Shows how far a step of a run is. */
export type Progress = {
  /** `from`: what was done before; it does not count for the rate. */
  start: (label: string, total: number, from?: number) => void;
  update: (value: number) => void;
  stop: () => void;
};

/** For a program that reads our output. */
const noProgress: Progress = { start: ignore, update: ignore, stop: ignore };

function ignore(): void {
  // says nothing
}

/** Nothing beside --json, a bar on a terminal, else lines by `say`. */
export function chooseProgress(
  json: boolean,
  terminal: NodeJS.WriteStream | null,
  say: (line: string) => void,
): Progress {
  if (json) return noProgress;
  return terminal === null ? createLineProgress(say) : createBarProgress(terminal);
}

/** Draws a bar on a terminal. */
function createBarProgress(terminal: NodeJS.WriteStream): Progress {
  const format = "{label} {bar} {value}/{total}  {rate}";
  const bar = new SingleBar({ format, stream: terminal, barsize: 30 }, Presets.shades_classic);
  const step = { since: 0, from: 0 };
  return {
    start: (label, total, from = 0) => {
      Object.assign(step, { since: Date.now(), from });
      bar.start(total, from, { label: label.padEnd(12), rate: "" });
    },
    update: (value) => {
      const rate = (value - step.from) / Math.max(0.001, (Date.now() - step.since) / 1000);
      const left = Math.ceil(Math.max(0, bar.getTotal() - value) / rate);
      bar.update(value, { rate: rate > 0 ? `${Math.round(rate)}/s, ${left} s left` : "" });
    },
    stop: () => bar.stop(),
  };
}

/** Writes a line at each quarter, for a log file. */
function createLineProgress(print: (line: string) => void): Progress {
  const step = { label: "", total: 0, quarter: 0 };
  return {
    start: (label, total) => Object.assign(step, { label, total, quarter: 0 }),
    update: (value) => {
      const quarter = Math.floor((value * 4) / step.total);
      if (quarter <= step.quarter) return;
      step.quarter = quarter;
      print(`${step.label}: ${value} of ${step.total}`);
    },
    stop: ignore,
  };
}
