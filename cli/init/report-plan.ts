import { configurationName } from "../../mapping/read-configuration.ts";
import type { Plan } from "./plan-installation.ts";
import { configPath, migrationsPath } from "./read-project.ts";

type ReportedChange = { path: string; state: string; section?: string; why?: string };

/** Up to so many changes are listed one by one. */
const fewChanges = 12;

/** What the files are called in a summary, by where they lie: one of them, and several. */
const kinds: readonly (readonly [string, string, string])[] = [
  [`${migrationsPath}/`, "migration", "migrations"],
  ["supabase/functions/", "function file", "function files"],
  ["supabase/tests/", "test", "tests"],
  [".github/", "workflow", "workflows"],
  [configPath, "section in config.toml", "sections in config.toml"],
  [configurationName, "configuration", "configurations"],
];

/** What a summary says of all that have a state; every other state is told by name. */
const verbs: Readonly<Record<string, string>> = {
  add: "would be added",
  update: "would be replaced",
  remove: "would be removed",
};

/** The plan for a person: a line for each change or, where there are many, sums and what is to be decided by name. */
export function formatPlan(plan: Plan, isVerbose: boolean): string[] {
  const all = listChanges(plan);
  const changes = all.filter(({ state }) => state !== "unchanged");
  const isShort = !isVerbose && changes.length > fewChanges;
  const lines = isShort ? summarise(changes) : changes.map(formatChange);
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

function summarise(changes: readonly ReportedChange[]): string[] {
  const sums = Object.entries(verbs).flatMap(([state, verb]) => {
    const counts = countKinds(changes.filter((change) => change.state === state));
    return counts.length === 0 ? [] : [`${counts.join(", ")} ${verb}`];
  });
  return [...sums, ...listNamed(changes), "--verbose lists every file."];
}

function countKinds(changes: readonly ReportedChange[]): string[] {
  return kinds.flatMap(([place, one, several]) => {
    const count = changes.filter(({ path }) => path.startsWith(place)).length;
    return count === 0 ? [] : [`${count} ${count === 1 ? one : several}`];
  });
}

/** What is no plain change stands there by its name, unless many have the same reason. */
function listNamed(changes: readonly ReportedChange[]): string[] {
  const named = changes.filter(({ state }) => !(state in verbs));
  const reasons = new Set(named.map(({ why }) => why));
  return [...reasons].flatMap((why) => {
    const same = named.filter((change) => change.why === why);
    const isSum = same.length > fewChanges && same.every(({ state }) => state === "keep");
    return isSum ? [`${"keep".padEnd(9)} ${countKinds(same).join(", ")}: ${why}`] : same.map(formatChange);
  });
}

function formatChange({ path, state, section, why }: ReportedChange): string {
  const place = section === undefined ? path : `${path} [functions.${section}]`;
  return `${state.padEnd(9)} ${place}${why === undefined ? "" : `: ${why}`}`;
}
