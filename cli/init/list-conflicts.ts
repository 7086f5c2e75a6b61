import type { Plan } from "./plan-installation.ts";
import { configPath } from "./read-project.ts";

/** A path where something else stands than was installed, and what it is, to be read by a person. */
type Conflict = { path: string; text: string };

/** The conflicts of a plan; config.toml is one, with all its sections that are not as they must be. */
export function listConflicts(plan: Plan): Conflict[] {
  const files = plan.files.filter(({ state }) => state === "conflict");
  const sections = plan.sections.filter(({ state }) => state === "conflict");
  const reasons = sections.map(({ name, why }) => `[functions.${name}] ${why}`).join("; ");
  return [
    ...files.map(({ path, why }) => ({ path, text: `${path} was ${why}` })),
    ...(sections.length === 0 ? [] : [{ path: configPath, text: `${configPath} is not as it must be: ${reasons}` }]),
  ];
}

/** What was not done because of them, and the two ways on; `command` is the one that was run. */
export function describeConflicts(conflicts: readonly Conflict[], command: string): string {
  const list = conflicts.map(({ text }) => text).join(", ");
  const paths = conflicts.length > 3 ? ["<path>"] : conflicts.map(({ path }) => path);
  const repeat = (option: string) => paths.map((path) => ` ${option} ${path}`).join("");
  const each = conflicts.length > 3 ? " (repeat it for each path)" : "";
  return (
    `Nothing was changed: ${list}. See how with git diff; ` +
    `take ours: ${command} --yes${repeat("--overwrite")}; keep yours: ${command} --yes${repeat("--keep")}${each}`
  );
}
