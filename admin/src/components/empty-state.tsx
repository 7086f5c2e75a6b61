import { Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

/** Says that there is nothing, why that is so, and what one can do. */
export function EmptyState({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack gap={4} align="center" py="xl" px="md" className="surface">
      <Text fw={600}>{title}</Text>
      <Text size="sm" c="dimmed" ta="center" maw={520} component="div">
        {children}
      </Text>
    </Stack>
  );
}
