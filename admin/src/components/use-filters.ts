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
    (changes: Changes<Name>) => setQuery((before) => writeFilters(before, changes), { replace: true }),
    [setQuery],
  );
  return [filters, change];
}
