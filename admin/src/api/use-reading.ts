import {
  keepPreviousData,
  type UseInfiniteQueryResult,
  type UseQueryResult,
  useInfiniteQuery,
  useQuery,
} from "@tanstack/react-query";
import type { Query } from "./client.ts";
import { useRefreshing } from "./refreshing.tsx";
import { useClient } from "./use-client.ts";

export type ReadingOptions<Answer> = {
  /** After how many milliseconds it is read again while the tab is seen, or what says so of the newest answer. */
  every?: number | ((answer: Answer | undefined) => number);
  isEnabled?: boolean;
};

const usually = 5000;

/**
 * Reads from sync-admin, and again every few seconds; TanStack Query stops while the tab is hidden. What was read for
 * other parameters stays until the answer is there. The cache key begins with the path: see useAction.
 */
export function useReading<Answer>(
  path: string,
  query: Query = {},
  { every = usually, isEnabled = true }: ReadingOptions<Answer> = {},
): UseQueryResult<Answer, Error> {
  const client = useClient();
  const { isPaused } = useRefreshing();
  return useQuery({
    queryKey: [path, query],
    queryFn: ({ signal }) => client.get<Answer>(path, query, signal),
    refetchInterval: isPaused ? false : typeof every === "number" ? every : ({ state }) => every(state.data),
    placeholderData: keepPreviousData,
    enabled: isEnabled,
  });
}

type Page = { next?: string | null };
type PagesOptions = { every?: number; isEnabled?: boolean };

/** Like useReading, of a list with keyset pages: `fetchNextPage` reads on, a refresh reads all pages shown. */
export function usePages<Answer extends Page>(
  path: string,
  query: Query = {},
  { every = usually, isEnabled = true }: PagesOptions = {},
): UseInfiniteQueryResult<{ pages: Answer[] }, Error> {
  const client = useClient();
  const { isPaused } = useRefreshing();
  return useInfiniteQuery({
    queryKey: [path, "pages", query],
    queryFn: ({ signal, pageParam }) => client.get<Answer>(path, { ...query, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next ?? null,
    refetchInterval: isPaused ? false : every,
    placeholderData: keepPreviousData,
    enabled: isEnabled,
  });
}
