import { Anchor, Table, Text } from "@mantine/core";
import { Link } from "react-router";
import type { AdminRun } from "#core/admin/contract/overview.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { Panel } from "../../components/panel.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { TimeAgo } from "../../components/time.tsx";
import { useNow } from "../../components/use-now.ts";
import { formatCount } from "../../format-time.ts";
import { countDrift, formatRunTime, nameRun } from "./run-words.ts";

/** The newest runs, whoever started them. */
export function RunsTable({ runs }: { runs: readonly AdminRun[] }) {
  if (runs.length === 0) {
    return (
      <EmptyState title="No run yet">
        Start a dry compare above to see whether users are in step. With CLERK_SECRET_KEY set, one also runs every night
        by itself.
      </EmptyState>
    );
  }
  return (
    <Panel title="Runs">
      <div className="table-scroll">
        <Table aria-label="Runs" highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Started</Table.Th>
              <Table.Th>Run</Table.Th>
              <Table.Th>Status</Table.Th>
              <Table.Th ta="right" visibleFrom="sm">
                Read
              </Table.Th>
              <Table.Th ta="right" visibleFrom="sm">
                Out of step
              </Table.Th>
              <Table.Th ta="right" visibleFrom="sm">
                Queued
              </Table.Th>
              <Table.Th visibleFrom="sm">Took</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody className="numbers">
            {runs.map((run) => (
              <RunRow key={run.id} run={run} />
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Panel>
  );
}

function RunRow({ run }: { run: AdminRun }) {
  const now = useNow();
  const read = formatCount(run.counts["read"] ?? 0);
  const out = run.kind === "backfill" ? "–" : formatCount(countDrift(run.counts));
  return (
    <Table.Tr>
      <Table.Td>
        <TimeAgo at={run.started_at} />
      </Table.Td>
      <Table.Td>
        <Anchor component={Link} to={`/reconcile/${run.id}`} size="sm">
          {nameRun(run)}
        </Anchor>
        <Text size="xs" c="dimmed" hiddenFrom="sm">
          {out} out of step of {read}
        </Text>
      </Table.Td>
      <Table.Td>
        <StatusBadge status={run.status} />
      </Table.Td>
      <Table.Td ta="right" visibleFrom="sm">
        {read}
      </Table.Td>
      <Table.Td ta="right" visibleFrom="sm">
        {out}
      </Table.Td>
      <Table.Td ta="right" visibleFrom="sm">
        {formatCount(run.counts["queued"] ?? 0)}
      </Table.Td>
      <Table.Td style={{ whiteSpace: "nowrap" }} visibleFrom="sm">
        {formatRunTime(run, now)}
      </Table.Td>
    </Table.Tr>
  );
}
