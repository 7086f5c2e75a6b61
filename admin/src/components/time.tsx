import { Tooltip } from "@mantine/core";
import { formatAgo, formatTime } from "../format-time.ts";
import { useNow } from "./use-now.ts";

/** How long ago, with the exact time beside the pointer; a dash for null. */
export function TimeAgo({ at }: { at: string | null | undefined }) {
  const now = useNow();
  if (!at) return <span>–</span>;
  return (
    <Tooltip label={`${formatTime(at)} (${at})`}>
      <time dateTime={at} className="numbers" style={{ whiteSpace: "nowrap" }}>
        {formatAgo(at, now)}
      </time>
    </Tooltip>
  );
}

/** The exact time in the reader's zone. */
export function ExactTime({ at }: { at: string | null | undefined }) {
  if (!at) return <span>–</span>;
  return (
    <time dateTime={at} className="numbers" style={{ whiteSpace: "nowrap" }}>
      {formatTime(at)}
    </time>
  );
}
