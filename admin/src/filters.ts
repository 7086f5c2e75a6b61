/** What a list is filtered by; each value is a text, one that is missing filters nothing. */
export type Filters<Name extends string> = Partial<Record<Name, string>>;

/** Reads the filters of these names out of the query of an address. Empty and unknown ones are ignored. */
export function readFilters<Name extends string>(query: URLSearchParams, names: readonly Name[]): Filters<Name> {
  const filters: Filters<Name> = {};
  for (const name of names) {
    const value = query.get(name)?.trim();
    if (value) filters[name] = value;
  }
  return filters;
}

/** The query with these filters changed; an empty value takes one out. What else is in the query stays. */
export function writeFilters<Name extends string>(
  query: URLSearchParams,
  changes: Readonly<Partial<Record<Name, string | null | undefined>>>,
): URLSearchParams {
  const changed = new URLSearchParams(query);
  for (const [name, value] of Object.entries<string | null | undefined>(changes)) {
    const text = value?.trim();
    if (text) changed.set(name, text);
    else changed.delete(name);
  }
  return changed;
}
