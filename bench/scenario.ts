import type { EmbeddedPostgres } from "../server/postgres/embedded-postgres.ts";

export type Options = {
  /** Finished jobs in the table, for the scenarios that ask for history. */
  history: number;
  rounds: number;
};

export type Context = {
  postgres: EmbeddedPostgres;
  options: Options;
  /** Says on the terminal what is being done. */
  say: (line: string) => void;
};

/** One measured thing: every round of both sides, in the same run, alternating. */
export type Row = {
  what: string;
  unit: string;
  /** The sides by name, each with all its rounds. */
  sides: Record<string, number[]>;
  /** Median of the second side against the first: speed against speed, or time against time. */
  ratio: number;
  /** Which way the ratio is in our favour: a later run that went the other way is worse. */
  better: "higher" | "lower";
};

export type Scenario = {
  name: string;
  question: string;
  run: (context: Context) => Promise<Row[]>;
};
