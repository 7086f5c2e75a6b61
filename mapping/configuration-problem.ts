import { isObject } from "./is-object.ts";

/** Something of the file that is wrong, as data. */
export type Problem = {
  /** Names of members and indexes of lists, from the root of the file. */
  path: readonly (string | number)[];
  /** What stands there, for a person; null where nothing does, where the path says it, or where it may be a secret. */
  found: string | null;
  /** What to write instead, in words. */
  advice: string;
};

/** A problem of the value at a path. */
export function problemAt(path: Problem["path"], value: unknown, advice: string): Problem {
  return { path, found: isSecret(path) ? null : describeValue(value), advice };
}

/** Like `users.columns.plan` and `hooks[0].on`; a name that could be misread is quoted. */
function formatPath(path: Problem["path"]): string {
  return path
    .map((step, index) => {
      if (typeof step === "number") return `[${step}]`;
      return `${index === 0 ? "" : "."}${/^[\w$-]+$/.test(step) ? step : JSON.stringify(step)}`;
    })
    .join("");
}

/** One line: where, what was found, what to do. */
export function formatProblem({ path, found, advice }: Problem): string {
  const place = path.length === 0 ? [] : [`\`${formatPath(path)}\``];
  return [...place, ...(found === null ? [] : [`found ${found}`]), advice].join(": ");
}

function describeValue(value: unknown): string | null {
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (isObject(value)) return "an object";
  const text = String(value);
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return text === "" ? "an empty text" : `\`${shown.replace(/\s+/g, " ")}\``;
}

/** A hook's secret, and a URL that may hold one, are never shown. */
function isSecret(path: Problem["path"]): boolean {
  return path[0] === "hooks" && (path[2] === "secret" || path[2] === "url");
}
