import { Group, Stack, Title } from "@mantine/core";
import { type ReactNode, useId } from "react";

type Props = { title: string /** At the right of the title. */; aside?: ReactNode; children: ReactNode; id?: string };

/** A part of a page with a title of its own. */
export function Panel({ title, aside, children, id }: Props) {
  const titleId = useId();
  return (
    <Stack component="section" aria-labelledby={titleId} className="surface" p="md" gap="sm" id={id}>
      <Group justify="space-between" gap="xs" mih={26}>
        <Title order={2} id={titleId}>
          {title}
        </Title>
        {aside}
      </Group>
      {children}
    </Stack>
  );
}
