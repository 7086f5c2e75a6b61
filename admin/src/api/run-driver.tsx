import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import type { AdminRun, RunSlice } from "#core/admin/contract/overview.ts";
import type { Client } from "./client.ts";
import { addSlice, type Drive, newDrive } from "./drive.ts";
import { showFailure } from "./use-action.ts";
import { useClient } from "./use-client.ts";

type RunDriver = {
  /** Null before the first run of this tab. */
  drive: Drive | null;
  /** Starts a run, or carries on the open one of that kind. */
  start: (kind: AdminRun["kind"], applies: boolean) => void;
  /** Stops calling for slices; the run stays open, and is carried on by whoever asks for it. */
  pause: () => void;
};

const idle: RunDriver = { drive: null, start: () => undefined, pause: () => undefined };
const RunDriverContext = createContext<RunDriver>(idle);

export function useRunDriver(): RunDriver {
  return useContext(RunDriverContext);
}

/** Walks a run slice by slice, whichever page is shown, until it is over, fails, or the tab is closed. */
export function RunDriverProvider({ children }: { children: ReactNode }) {
  const client = useClient();
  const queries = useQueryClient();
  const [drive, setDrive] = useState<Drive | null>(null);
  const controller = useRef<AbortController | null>(null);
  const pause = useCallback(() => {
    controller.current?.abort();
    setDrive((before) => before && { ...before, isDriving: false });
  }, []);
  const start = useCallback(
    (kind: AdminRun["kind"], applies: boolean) => {
      controller.current?.abort();
      controller.current = new AbortController();
      const { signal } = controller.current;
      setDrive(newDrive(kind, applies));
      const onSlice = (slice: RunSlice) => {
        if (!signal.aborted) setDrive((before) => before && addSlice(before, slice));
      };
      walk(client, { kind, applies }, { onSlice, signal })
        .catch((error: unknown) => signal.aborted || showFailure(error))
        .finally(() => {
          if (!signal.aborted) setDrive((before) => before && { ...before, isDriving: false });
          void queries.invalidateQueries();
        });
    },
    [client, queries],
  );
  useEffect(() => () => controller.current?.abort(), []);
  const value = useMemo(() => ({ drive, start, pause }), [drive, start, pause]);
  return <RunDriverContext value={value}>{children}</RunDriverContext>;
}

type Walk = { onSlice: (slice: RunSlice) => void; signal: AbortSignal };

/** A slice that made no step waits for jobs, or for another runner: it is not asked for again at once. */
async function walk(client: Client, body: { kind: string; applies: boolean }, { onSlice, signal }: Walk) {
  for (let steps = -1; !signal.aborted; ) {
    const slice = await client.post<RunSlice>("/runs", body, signal);
    onSlice(slice);
    if (slice.is_over) return;
    const reached = slice.run?.steps ?? 0;
    await wait(reached === steps ? 2000 : 100, signal);
    steps = reached;
  }
}

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
