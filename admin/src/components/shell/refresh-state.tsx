import { ActionIcon, Text, Tooltip } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useRefreshing } from "../../api/refreshing.tsx";
import { formatAgo } from "../../format-time.ts";
import { Icon } from "../icon.tsx";
import { useNow } from "../use-now.ts";

/** How old what is shown is, and the button that stops or resumes reading it again. */
export function RefreshState() {
  const { isPaused, setPaused } = useRefreshing();
  const label = isPaused ? "Refresh by itself again" : "Stop refreshing by itself";
  return (
    <>
      <Text size="xs" c="dimmed" className="numbers" visibleFrom="md" style={{ whiteSpace: "nowrap" }}>
        <UpdatedAgo isPaused={isPaused} />
      </Text>
      <Tooltip label={label}>
        <ActionIcon variant="default" size="md" onClick={() => setPaused(!isPaused)} aria-label={label}>
          <Icon name={isPaused ? "play" : "pause"} size={16} />
        </ActionIcon>
      </Tooltip>
    </>
  );
}

function UpdatedAgo({ isPaused }: { isPaused: boolean }) {
  const now = useNow();
  const shown = useQueryClient()
    .getQueryCache()
    .findAll({ type: "active" })
    .map((query) => query.state.dataUpdatedAt)
    .filter((at) => at > 0);
  if (shown.length === 0) return isPaused ? "paused" : "";
  const oldest = Math.min(...shown);
  const ago = now - oldest < 2000 ? "just now" : formatAgo(new Date(oldest).toISOString(), now);
  return `updated ${ago}${isPaused ? ", paused" : ""}`;
}
