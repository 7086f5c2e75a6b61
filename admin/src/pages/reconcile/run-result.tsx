import { Text } from "@mantine/core";
import type { AdminRun } from "#core/admin/contract/overview.ts";
import { useNow } from "../../components/use-now.ts";
import { describeResult } from "./describe-result.ts";

/** What a run found, and what to do about it. */
export function RunResult({ run }: { run: AdminRun }) {
  const now = useNow();
  return (
    <Text size="sm" aria-live="polite">
      {describeResult(run, now)}
    </Text>
  );
}
