import type { Row } from "./row.ts";

export type Options = {
  rounds: number;
  /** Finished jobs in the table, for the scenarios that ask for history. */
  history: number;
  /** A second, longer history; 0: none. */
  longHistory: number;
  /** Milliseconds that one load is held, where time and not a number of jobs ends it. */
  load: number;
  /** Jobs in the queue, where a number of jobs ends it. */
  jobs: number;
  /** Jobs in the queue for the scenario of memory. */
  queued: number;
  /** Users in the tables whose size is measured. */
  users: number;
};

export type Context = {
  options: Options;
  /** Makes a migrated database of its own; answers its URL. */
  createDatabase: (name: string) => Promise<string>;
  /** Says on the terminal what is being done. */
  say: (line: string) => void;
  /** Has this undone when the scenario is over, the last first, however it ended. */
  addUndo: (undo: () => Promise<unknown>) => void;
};

export type Scenario = {
  name: string;
  question: string;
  /** What the page says below the table: how it was measured, and what the sides are. */
  notes: readonly string[];
  /** Settings of PostgreSQL; all others have their defaults. */
  postgres?: Readonly<Record<string, string>>;
  run: (context: Context) => Promise<Row[]>;
};
