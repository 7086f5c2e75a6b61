import type { z } from "zod";
import { type Problem, problemAt } from "./configuration-problem.ts";
import { type ConfigurationFile, configurationSchema } from "./configuration-schema.ts";
import { isObject } from "./is-object.ts";

type Issue = z.core.$ZodIssue;

/**
 * Compares a value with the schema of the file: each setting by itself. Settings that contradict each other are found
 * by checkRules.
 */
export function checkSchema(value: unknown): { file: ConfigurationFile | null; problems: readonly Problem[] } {
  const parsed = configurationSchema.safeParse(value, { reportInput: true, error: describeKind });
  if (parsed.success) return { file: parsed.data, problems: [] };
  const issues = parsed.error.issues.flatMap((issue) => narrow(issue, []));
  const misspelt = issues.flatMap(({ issue, path }) => listUnknown(issue, path)).map(({ meant }) => nameOf(meant));
  const problems = issues
    // One mistake is told once: a setting is not missing where its name is misspelt.
    .filter(({ issue, path }) => issue.input !== undefined || !misspelt.includes(nameOf(path)))
    .flatMap(({ issue, path }) => toProblems(issue, path));
  return { file: null, problems };
}

/** What to write where a value is of the wrong kind and the schema has no words of its own for it. */
function describeKind({ code, input, ...issue }: z.core.$ZodRawIssue): string | undefined {
  if (code !== "invalid_type") return undefined;
  if (issue["expected"] === "boolean" && (input === "true" || input === "false"))
    return `write ${input} without quotes`;
  const words = new Map<unknown, string>([
    ["string", "write a text in double quotes"],
    ["boolean", "write true or false"],
    ["object", "write an object: { … }"],
    ["record", "write an object: { … }"],
    ["array", "write a list: [ … ]"],
  ]);
  const wanted = words.get(issue["expected"]);
  return input === undefined && wanted !== undefined ? `is missing: ${wanted}` : wanted;
}

type PlacedIssue = { issue: Issue; path: Problem["path"] };

/** The issues that an author can act on, with their paths from the root. */
function narrow(issue: Issue, above: Problem["path"]): PlacedIssue[] {
  const path = [...above, ...issue.path.map((step) => (typeof step === "symbol" ? String(step) : step))];
  if (issue.code === "invalid_key") return issue.issues.flatMap((each) => narrow(each, path));
  // A union has words of its own except where an object was written: then its object says what is wrong.
  if (issue.code === "invalid_union" && isObject(issue.input)) {
    const within = issue.errors.find((branch) => branch.every(isWithin));
    if (within !== undefined) return within.flatMap((each) => narrow(each, path));
  }
  return [{ issue, path }];
}

/** Whether an issue is about a part of the value, and not about the kind of the whole. */
function isWithin(issue: Issue): boolean {
  return issue.path.length > 0 || issue.code === "unrecognized_keys";
}

function toProblems(issue: Issue, path: Problem["path"]): Problem[] {
  if (issue.code !== "unrecognized_keys") return [problemAt(path, issue.input, issue.message)];
  return listUnknown(issue, path).map(({ path, meant, settings }) => {
    const advice =
      meant === null ? `this is no setting. The settings here are ${settings}` : `did you mean \`${meant.at(-1)}\`?`;
    return { path, found: null, advice };
  });
}

type Unknown = { path: Problem["path"]; meant: Problem["path"] | null; settings: string };

/** The keys that the schema does not know. The message is what configurationSchema says of them. */
function listUnknown(issue: Issue, path: Problem["path"]): Unknown[] {
  if (issue.code !== "unrecognized_keys") return [];
  const [settings = "", ...meant] = issue.message.split("\n");
  return issue.keys.map((key, index) => {
    const name = meant[index] ?? "";
    return { path: [...path, key], meant: name === "" ? null : [...path, name], settings };
  });
}

function nameOf(path: Problem["path"] | null): string {
  return JSON.stringify(path);
}
