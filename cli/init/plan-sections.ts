import {
  appendSection,
  type ConfigTable,
  type FunctionSection,
  formatSection,
  parseConfig,
  readFunctionTable,
  removeSection,
} from "./config-text.ts";
import type { Manifest } from "./manifest.ts";
import { type Decide, keptReason } from "./plan-files.ts";
import { setConfigValue } from "./set-config-value.ts";

/** What happens to one `[functions.<name>]` section; `why` says what is wrong with one that is not ours. */
export type PlannedSection = {
  name: string;
  state: "add" | "update" | "unchanged" | "conflict" | "overwrite" | "remove" | "keep";
  why?: string;
};

/** The plan of all sections, the text that comes of it, and what the manifest remembers. */
type SectionPlan = { sections: PlannedSection[]; text: string; installed: Manifest["sections"] };

type Step = { section: PlannedSection; text: string; added: string | null };

/** A key that may be absent, because the Supabase CLI takes the same value by itself. */
const defaultKeys = new Set(["import_map", "entrypoint"]);

/** Plans the sections that the functions need in a config.toml. Throws SyncError `project_invalid`. */
export function planSections(
  text: string,
  wanted: readonly FunctionSection[],
  installed: Manifest["sections"],
  decision: ReturnType<Decide>,
): SectionPlan {
  const known = new Map(installed.map((section) => [section.name, section.text]));
  const plan: SectionPlan = { sections: [], text, installed: [] };
  for (const section of wanted) {
    const step = planSection(plan.text, section, known.get(section.name) ?? null, decision);
    plan.sections.push(step.section);
    plan.text = step.text;
    if (step.added !== null) plan.installed.push({ name: section.name, text: step.added });
  }
  const obsolete = installed.filter(({ name }) => !wanted.some((section) => section.name === name));
  const { sections, text: remaining } = planSectionRemoval(plan.text, obsolete);
  return { ...plan, sections: [...plan.sections, ...sections], text: remaining };
}

/**
 * Takes sections out that stand there as they were put in. From the last to the first, so that the text ends as it
 * ended before the first was put in.
 */
export function planSectionRemoval(text: string, installed: Manifest["sections"]): Omit<SectionPlan, "installed"> {
  const sections: PlannedSection[] = [];
  let remaining = text;
  for (const { name, text: added } of installed.toReversed()) {
    const without = removeSection(remaining, name, added);
    remaining = without ?? remaining;
    sections.unshift(without === null ? { name, state: "keep", why: "changed by you" } : { name, state: "remove" });
  }
  return { sections, text: remaining };
}

function planSection(text: string, section: FunctionSection, ours: string | null, decision: ReturnType<Decide>): Step {
  const { name } = section;
  const table = readFunctionTable(parseConfig(text), name);
  if (table === null) return planNewSection(text, section, decision);
  const wrong = table === undefined ? Object.keys(section.values) : listWrongKeys(table, section);
  if (wrong.length === 0) return { section: { name, state: "unchanged" }, text, added: findOurs(text, section, ours) };

  if (decision === "keep") {
    const kept = keepSection(text, name, `not as it must be: ${wrong.join(", ")}`);
    return { ...kept, added: findOurs(text, section, ours) };
  }
  const without = ours === null ? null : removeSection(text, name, ours);
  const renewed = without === null ? null : appendSection(without, section);
  if (renewed !== null) return { section: { name, state: "update" }, ...renewed };
  return planForeignSection(text, section, wrong, decision);
}

function planNewSection(text: string, section: FunctionSection, decision: ReturnType<Decide>): Step {
  const { name } = section;
  const appended = appendSection(text, section);
  if (appended !== null) return { section: { name, state: "add" }, ...appended };
  if (decision === "keep") return keepSection(text, name, "missing");
  const why = `[functions.${name}] cannot be added to an inline table. Write \`functions\` as sections and run this again`;
  return { section: { name, state: "conflict", why }, text, added: null };
}

/** What the user keeps is still said to be wrong: the function may not work with it. */
function keepSection(text: string, name: string, what: string): Step {
  return { section: { name, state: "keep", why: `${what}. ${keptReason}` }, text, added: null };
}

/** A section that somebody else wrote: which lines are wrong, and the text with them put right. */
function planForeignSection(
  text: string,
  section: FunctionSection,
  wrong: string[],
  decision: ReturnType<Decide>,
): Step {
  const { name, values } = section;
  const reasons: string[] = [];
  let [corrected, isPossible] = [text, true];
  for (const key of wrong) {
    const edit = setConfigValue(corrected, { name, key, value: values[key] ?? true });
    const place = edit === null ? "" : ` (line ${edit.line})`;
    reasons.push(`${key} must be ${JSON.stringify(values[key] ?? true)}${place}`);
    if (edit === null) isPossible = false;
    else corrected = edit.text;
  }
  if (decision === "overwrite" && isPossible) {
    return { section: { name, state: "overwrite", why: reasons.join(", ") }, text: corrected, added: null };
  }
  const why = isPossible ? reasons.join(", ") : `${reasons.join(", ")}; change it by hand`;
  return { section: { name, state: "conflict", why }, text, added: null };
}

function listWrongKeys(table: ConfigTable, { values }: FunctionSection): string[] {
  const wrong = Object.entries(values).flatMap(([key, value]) => {
    if (table[key] === undefined && defaultKeys.has(key)) return [];
    return normalise(table[key]) === normalise(value) ? [] : [key];
  });
  return table["enabled"] === false ? [...wrong, "enabled"] : wrong;
}

/** `./functions/a` and `functions/a` are one path. */
function normalise(value: unknown): unknown {
  return typeof value === "string" ? value.replace(/^\.\//, "") : value;
}

/** The text of a section of ours, also when the manifest that named it was never written. */
function findOurs(text: string, section: FunctionSection, ours: string | null): string | null {
  const candidates = [ours, formatSection(section, text)];
  return candidates.find((candidate) => candidate !== null && removeSection(text, section.name, candidate)) ?? null;
}
