import { Alert, Button, Code, Group, Stack, Text } from "@mantine/core";
import { describeError } from "../api/api-error.ts";
import { Icon } from "./icon.tsx";

type Props = {
  error: unknown;
  /** Tries again, where that can help. */
  onRetry?: () => void;
  title?: string;
};

/** Says what failed: the sentence of the API, which tells what to do, and the code that docs/errors.md explains. */
export function ErrorState({ error: thrown, onRetry, title = "This could not be read" }: Props) {
  const { error, code } = describeError(thrown);
  return (
    <Alert color="red" title={title} icon={<Icon name="warning" />} role="alert">
      <Stack gap="xs">
        <Text size="sm">{error}</Text>
        <Group gap="sm">
          <Code>{code}</Code>
          {onRetry && (
            <Button size="compact-sm" variant="default" onClick={onRetry}>
              Try again
            </Button>
          )}
        </Group>
      </Stack>
    </Alert>
  );
}
