import { Badge } from "@mantine/core";

const colors: Readonly<Record<string, string>> = {
  PENDING: "blue",
  PROCESSING: "indigo",
  RUNNING: "indigo",
  COMPLETED: "teal",
  FAILED: "orange",
  DEAD: "red",
  CANCELLED: "gray",
  healthy: "teal",
  degraded: "orange",
  compromised: "red",
  closed: "teal",
  half_open: "orange",
  open: "red",
  engaged: "red",
};

/** The status of a job, a run, a circuit or the sync: the word, and a colour that says no more than it. */
export function StatusBadge({ status, size = "sm" }: { status: string; size?: "xs" | "sm" | "md" | "lg" }) {
  return (
    <Badge
      variant="light"
      radius="sm"
      size={size}
      color={colors[status] ?? "gray"}
      tt="none"
      style={{ flexShrink: 0, minWidth: "max-content" }}
    >
      {status.toLowerCase().replace("_", " ")}
    </Badge>
  );
}
