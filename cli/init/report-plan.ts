import type { Plan } from "./plan-installation.ts";
import { configPath } from "./read-project.ts";

export type ReportedChange = { path: string; state: string; section?: string; why?: string };

/** The plan for a person: one line a change, and how many stay as they are. */
export function formatPlan(plan: Plan): string[] {
  const all = listChanges(plan);
  const changes = all.filter(({ state }) => state !== "unchanged");
  const lines = changes.map(({ path, state, section, why }) => {
    const place = section === undefined ? path : `${path} [functions.${section}]`;
    return `${state.padEnd(9)} ${place}${why === undefined ? "" : `: ${why}`}`;
  });
  const unchanged = all.length - changes.length;
  return unchanged === 0 ? lines : [...lines, `${unchanged} unchanged`];
}

/** The plan for a program, in the same order: files, then sections of config.toml. */
export function listChanges(plan: Plan): ReportedChange[] {
  return [
    ...plan.files.map(({ path, state, why }) => ({ path, state, ...(why === undefined ? {} : { why }) })),
    ...plan.sections.map(({ name, state, why }) => ({
      path: configPath,
      section: name,
      state,
      ...(why === undefined ? {} : { why }),
    })),
  ];
}
