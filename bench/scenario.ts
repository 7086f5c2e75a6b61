import type { Row } from "./measure.ts";
import type { Options } from "./options.ts";

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
