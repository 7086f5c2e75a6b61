import { Anchor, Group, Text } from "@mantine/core";
import { Link } from "react-router";
import type { AdminRun } from "#core/admin/contract/overview.ts";
import { useRunDriver } from "../../api/run-driver.tsx";
import { ActionButton } from "../../components/action-button.tsx";
import { Panel } from "../../components/panel.tsx";
import { RunProgress } from "../../components/run-progress.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { CancelRun } from "./cancel-run.tsx";
import { RunResult } from "./run-result.tsx";
import { nameRun } from "./run-words.ts";

/** The run of this tab, or else the one that is open. */
export function DrivenRun({ open }: { open: AdminRun | null }) {
  const { drive } = useRunDriver();
  const run = drive?.isDriving ? (drive.run ?? open) : (open ?? drive?.run ?? null);
  if (run === null) return drive?.isDriving ? <Text size="sm">Starting …</Text> : null;
  const isOpen = run.status === "RUNNING";
  const name = nameRun(run);
  return (
    <Panel title={`${name[0]?.toUpperCase()}${name.slice(1)}`} aside={<StatusBadge status={run.status} />}>
      <RunProgress run={run} />
      <RunResult run={run} />
      <Group gap="xs">
        {isOpen && <Controls run={run} isDriving={drive?.isDriving ?? false} />}
        <Anchor component={Link} to={`/reconcile/${run.id}`} size="sm">
          All its counts
        </Anchor>
      </Group>
    </Panel>
  );
}

function Controls({ run, isDriving }: { run: AdminRun; isDriving: boolean }) {
  const { start, pause } = useRunDriver();
  return (
    <>
      {isDriving ? (
        <ActionButton onClick={pause}>Pause</ActionButton>
      ) : (
        <ActionButton onClick={() => start(run.kind, run.applies)}>Carry it on from here</ActionButton>
      )}
      <CancelRun run={run} />
    </>
  );
}
