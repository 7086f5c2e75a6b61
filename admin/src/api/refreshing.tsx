import { createContext, type ReactNode, useContext, useMemo, useState } from "react";

type Refreshing = { isPaused: boolean; setPaused: (isPaused: boolean) => void };

const RefreshingContext = createContext<Refreshing>({ isPaused: false, setPaused: () => undefined });

/** Whether what is shown is read again by itself. */
export function RefreshingProvider({ children }: { children: ReactNode }) {
  const [isPaused, setPaused] = useState(false);
  const value = useMemo(() => ({ isPaused, setPaused }), [isPaused]);
  return <RefreshingContext value={value}>{children}</RefreshingContext>;
}

export function useRefreshing(): Refreshing {
  return useContext(RefreshingContext);
}
