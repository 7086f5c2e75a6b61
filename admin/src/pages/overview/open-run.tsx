import { Anchor, Group, Text } from "@mantine/core";
import { Link } from "react-router";
import type { AdminRun } from "#core/admin/contract/overview.ts";
import { RunProgress } from "../../components/run-progress.tsx";
import classes from "./overview.module.css";

/** The run that goes on just now. */
export function OpenRun({ run }: { run: AdminRun }) {
  return (
    <Group className="surface" px="md" py="sm" gap="md">
      <Text size="sm">
        A{" "}
        <Anchor
          component={Link}
          underline="always"
          to={`/reconcile/${run.id}`}
        >{`${run.applies ? "" : "dry "}${run.kind}`}</Anchor>{" "}
        is running.
      </Text>
      <div className={classes.progress}>
        <RunProgress run={run} />
      </div>
    </Group>
  );
}
