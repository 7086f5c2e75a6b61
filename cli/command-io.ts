import type { Environment } from "#core/config/config.ts";

/** Time, so that tests need not wait: `now` in Unix milliseconds, `sleep` in milliseconds; a signal rejects it. */
export type Clock = {
  now: () => number;
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
};

/** One of several answers to a question, as it is shown and as it is returned. */
export type Choice<Value extends string> = { value: Value; label: string };

/** All a command touches outside itself; `main.ts` makes it of the process, tests of what they need. */
export type CommandIo = {
  /** Writes a line of the result to standard output. */
  print: (line: string) => void;
  /** Writes a line about the run to standard error. */
  note: (line: string) => void;
  /** A terminal to draw a progress bar on; null when nobody watches. */
  terminal: NodeJS.WriteStream | null;
  /** Asks the user yes or no; null when nobody can answer. */
  confirm: ((question: string) => Promise<boolean>) | null;
  /** Lets the user choose one of several; null when nobody can answer. Its own answer is null for Ctrl-C. */
  choose: (<Value extends string>(question: string, choices: readonly Choice<Value>[]) => Promise<Value | null>) | null;
  /** The folder of this package, where what can be installed lies. */
  findPackageRoot: () => string;
  /** The working directory, where .clerk-sync/local.json is looked for. */
  folder: string;
  environment: Environment;
  fetch: typeof fetch;
  clock: Clock;
  /** A seed for a run that names none. */
  drawSeed: () => number;
  /** Calls the listener once when the user presses Ctrl-C or the run is told to end; the answer takes it away again. */
  onInterrupt: (listener: () => void) => () => void;
  setExitCode: (code: number) => void;
};
