import { SyncError } from "#core/errors.ts";
import { checkRules } from "./check-rules.ts";
import { checkSchema } from "./check-schema.ts";
import type { Configuration } from "./configuration.ts";
import { formatProblem, type Problem } from "./configuration-problem.ts";
import { expandConfiguration } from "./expand-configuration.ts";
import { listRepeated, offsetOf, type Position, plainValue, positionOf, readJson } from "./read-json.ts";

/** A problem with its place in the text. */
export type PlacedProblem = Problem & Position;

/**
 * Reads the text of a configuration file: JSON with comments. It gives what the file says, or every problem at the
 * same time, in the order of the text; only broken JSON hides the problems of its content.
 */
export function parseConfiguration(text: string): { configuration: Configuration } | { problems: PlacedProblem[] } {
  const { root, errors } = readJson(text);
  const broken = errors.map(({ offset, advice }) => ({ path: [], found: null, advice, offset }));
  if (root === null) return { problems: place(broken, text) };
  const value = plainValue(root);
  const { file, problems } = checkSchema(value);
  const seen = new Set(problems.map(({ path }) => JSON.stringify(path)));
  const more = checkRules(value).filter(({ path }) => !seen.has(JSON.stringify(path)));
  const repeated = listRepeated(root).map((path) => ({
    path,
    found: null,
    advice: "this name is there twice: remove one",
  }));
  const located = [...problems, ...more, ...repeated].map((problem) => ({
    ...problem,
    offset: offsetOf(root, problem.path, problem.found === null ? "name" : "value"),
  }));
  const all = [...broken, ...located];
  return file === null || all.length > 0
    ? { problems: place(all, text) }
    : { configuration: expandConfiguration(file) };
}

function place(problems: readonly (Problem & { offset: number })[], text: string): PlacedProblem[] {
  return problems
    .toSorted((one, other) => one.offset - other.offset)
    .map(({ offset, ...problem }) => ({ ...problem, ...positionOf(text, offset) }));
}

/** The error that names every problem on a line of its own, with its place in the file. Its code is config_invalid. */
export function configurationError(name: string, problems: readonly PlacedProblem[]): SyncError {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const lines = problems.map((problem) => `${name}:${problem.line}:${problem.column}: ${formatProblem(problem)}`);
  return new SyncError("config_invalid", [`${name} has ${count}:`, ...lines].join("\n"));
}
