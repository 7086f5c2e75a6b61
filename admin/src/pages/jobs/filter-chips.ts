import { formatTime } from "../../format-time.ts";
import { sourceWords, typeWords } from "../../job-words.ts";
import { readSince, sinceChoices } from "../../since.ts";
import { type FilterName, type JobFilters, toJobFilter } from "./job-filter.ts";

export type Chip = { name: FilterName; label: string; value: string };

const labels = [
  ["status", "Status"],
  ["job_type", "Type"],
  ["source", "Source"],
  ["code", "Error code"],
  ["clerk_id", "User"],
  ["since", "Received"],
  ["until", "Before"],
  ["q", "Search"],
] as const satisfies readonly (readonly [FilterName, string])[];

/** What the list is filtered by, in words. What stands in the address and filters nothing says so. `now`: Unix milliseconds. */
export function describeFilters(filters: JobFilters, now: number): Chip[] {
  return labels.flatMap(([name, label]) => {
    const text = filters[name];
    if (text === undefined) return [];
    const isFilter = Object.keys(toJobFilter({ [name]: text }, now)).length > 0;
    return [{ name, label, value: isFilter ? valueWords[name](text, now) : `“${text}” is none, and filters nothing` }];
  });
}

const asItIs = (text: string) => text;

const valueWords: Readonly<Record<FilterName, (text: string, now: number) => string>> = {
  status: (text) => (toJobFilter({ status: text }, 0).status ?? []).map((each) => each.toLowerCase()).join(" or "),
  job_type: (text) => wordOf(typeWords, text),
  source: (text) => wordOf(sourceWords, text),
  code: asItIs,
  clerk_id: asItIs,
  since: (text, now) =>
    sinceChoices.find(({ value }) => value === text)?.label.toLowerCase() ?? `since ${timeOf(text, now)}`,
  until: timeOf,
  q: asItIs,
};

function wordOf(words: Readonly<Record<string, string>>, text: string): string {
  return (Object.hasOwn(words, text) ? words[text] : undefined) ?? text;
}

function timeOf(text: string, now: number): string {
  const at = readSince(text, now);
  return at === null ? text : formatTime(at);
}
