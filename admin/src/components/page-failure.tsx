import { Anchor, Button, Group, Stack } from "@mantine/core";
import { Link, useRouteError } from "react-router";
import { ErrorState } from "./error-state.tsx";

/** Stands where a page threw, or its file could not be loaded. */
export function PageFailure() {
  const error = useRouteError();
  return (
    <Stack gap="md">
      <ErrorState error={error} title="This page failed" />
      <Group>
        <Button onClick={() => location.reload()}>Load the page again</Button>
        <Anchor component={Link} to="/" reloadDocument>
          To the overview
        </Anchor>
      </Group>
    </Stack>
  );
}
