import { Alert, Text } from "@mantine/core";
import { Icon } from "../../components/icon.tsx";

/** Two rows are of this user, and the sync has linked one. */
export function UnlinkedRow({ note }: { note: string | null }) {
  if (note === null) return null;
  return (
    <Alert component="section" color="yellow" icon={<Icon name="warning" />} title="A row is not linked">
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {note}
      </Text>
    </Alert>
  );
}
