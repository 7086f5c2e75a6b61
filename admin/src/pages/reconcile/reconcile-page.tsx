import { Stack } from "@mantine/core";
import type { AdminRun } from "#core/admin/contract/overview.ts";
import { useRunDriver } from "../../api/run-driver.tsx";
import { useReading } from "../../api/use-reading.ts";
import { PageHeader } from "../../components/page-header.tsx";
import { Reading } from "../../components/reading.tsx";
import { Differences } from "./differences.tsx";
import { DrivenRun } from "./driven-run.tsx";
import { RunsTable } from "./runs-table.tsx";
import { StartPanel } from "./start-panel.tsx";

/** Finds users that are out of step with Clerk, and mends them. */
export function ReconcilePage() {
  const runs = useReading<{ runs: AdminRun[] }>("/runs");
  const { drive } = useRunDriver();
  const open = runs.data?.runs.find(({ status }) => status === "RUNNING") ?? null;
  return (
    <>
      <PageHeader
        name="Reconcile"
        title="Reconcile"
        about="Events can get lost on their way. A run asks Clerk for its users and compares them with what is here."
      />
      <Stack gap="md">
        <StartPanel open={open} />
        <DrivenRun open={open} />
        {drive !== null && <Differences drive={drive} />}
        <Reading of={runs}>{(data) => <RunsTable runs={data.runs} />}</Reading>
      </Stack>
    </>
  );
}
