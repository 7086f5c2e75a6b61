import { Group, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";

type Props = { title: ReactNode /** For the browser's tab. */; name: string; about?: ReactNode; children?: ReactNode };

/** The heading of a page, what it shows, and at its right what one can do. */
export function PageHeader({ title, name, about, children }: Props) {
  useEffect(() => {
    document.title = `${name} · clerk-sync admin`;
  }, [name]);
  return (
    <Group justify="space-between" align="flex-start" gap="sm" mb="md">
      <Stack gap={2} miw={0} flex="1 1 320px">
        <Title order={1}>{title}</Title>
        {about && (
          <Text size="sm" c="dimmed" component="div">
            {about}
          </Text>
        )}
      </Stack>
      {children && <Group gap="xs">{children}</Group>}
    </Group>
  );
}
