import { Progress, Stack, Text } from "@mantine/core";
import type { AdminRun } from "#core/admin/contract/overview.ts";
import { formatCount } from "../format-time.ts";

/** How much of the users at Clerk a run has read, and its phase. */
export function RunProgress({ run: { counts, users_at_clerk, phase, status } }: { run: AdminRun }) {
  const read = counts["read"] ?? 0;
  const part = users_at_clerk ? Math.min(100, (100 * read) / users_at_clerk) : 0;
  const text = users_at_clerk
    ? `${formatCount(read)} of ${formatCount(users_at_clerk)} users read`
    : `${formatCount(read)} users read`;
  return (
    <Stack gap={4}>
      <Progress.Root size="sm">
        <Progress.Section value={part} aria-label="Users read" animated={status === "RUNNING"} />
      </Progress.Root>
      <Text size="xs" c="dimmed" className="numbers">
        {text}
        {status === "RUNNING" && `, phase ${phase}`}
      </Text>
    </Stack>
  );
}
