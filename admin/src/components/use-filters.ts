import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";
import { type Filters, readFilters, writeFilters } from "../filters.ts";

type Changes<Name extends string> = Partial<Record<Name, string | null | undefined>>;

/** The filters of a list, kept in the address: it can be sent to somebody, and the browser's back button works. */
export function useFilters<Name extends string>(
  names: readonly Name[],
): [Filters<Name>, (changes: Changes<Name>) => void] {
  const [query, setQuery] = useSearchParams();
  const filters = useMemo(() => readFilters(query, names), [query, names]);
  const change = useCallback(
    // Of the address itself: what was rendered last may be older, and a change right before this one would be lost.
    (changes: Changes<Name>) =>
      setQuery(writeFilters(new URLSearchParams(window.location.search), changes), { replace: true }),
    [setQuery],
  );
  return [filters, change];
}
