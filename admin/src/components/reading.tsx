import { Skeleton, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import { ErrorState } from "./error-state.tsx";

type Props<Data> = {
  /** Of useReading or usePages. */
  of: { data: Data | undefined; error: Error | null; refetch: () => Promise<unknown> };
  children: (data: Data) => ReactNode;
};

/** Shows what was read, the error above it, or that it is on its way. What was read before stays when a refresh fails. */
export function Reading<Data>({ of: { data, error, refetch }, children }: Props<Data>) {
  const retry = () => void refetch();
  if (data === undefined && error === null) return <Loading />;
  return (
    <Stack gap="md">
      {error && (
        <ErrorState
          error={error}
          onRetry={retry}
          title={data === undefined ? "This could not be read" : "This could not be refreshed; what you see is older"}
        />
      )}
      {data !== undefined && children(data)}
    </Stack>
  );
}

function Loading() {
  return (
    <Stack gap="sm" role="status" aria-label="Loading">
      <Skeleton height={28} maw={320} />
      <Skeleton height={120} />
      <Skeleton height={120} />
    </Stack>
  );
}
