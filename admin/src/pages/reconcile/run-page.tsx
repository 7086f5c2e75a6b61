import { Alert, Anchor, Stack, Table } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useParams } from "react-router";
import type { AdminRun } from "#core/admin/contract/overview.ts";
import { useReading } from "../../api/use-reading.ts";
import { Copyable } from "../../components/copyable.tsx";
import { FactList } from "../../components/fact-list.tsx";
import { PageHeader } from "../../components/page-header.tsx";
import { Panel } from "../../components/panel.tsx";
import { Reading } from "../../components/reading.tsx";
import { RunProgress } from "../../components/run-progress.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { ExactTime } from "../../components/time.tsx";
import { useNow } from "../../components/use-now.ts";
import { formatCount } from "../../format-time.ts";
import { CancelRun } from "./cancel-run.tsx";
import { RunResult } from "./run-result.tsx";
import { countWords, describePhase, formatRunTime, nameRun, sortCounts } from "./run-words.ts";

/** One run: how far it came and what it counted. */
export function RunPage() {
  const { id = "" } = useParams();
  const reading = useReading<AdminRun>(`/runs/${encodeURIComponent(id)}`);
  return (
    <>
      <PageHeader
        name="Run"
        title={reading.data ? `Run: ${nameRun(reading.data)}` : "Run"}
        about={
          <Anchor component={Link} to="/reconcile" size="sm">
            All runs
          </Anchor>
        }
      >
        {reading.data?.status === "RUNNING" && <CancelRun run={reading.data} />}
      </PageHeader>
      <Reading of={reading}>{(run) => <RunDetail run={run} />}</Reading>
    </>
  );
}

function RunDetail({ run }: { run: AdminRun }) {
  return (
    <Stack gap="md">
      {run.error !== null && (
        <Alert color="red" title="It failed">
          {run.error}
        </Alert>
      )}
      <Panel title="Progress" aside={<StatusBadge status={run.status} />}>
        <RunProgress run={run} />
        {run.error === null && <RunResult run={run} />}
        <Facts run={run} />
      </Panel>
      <Panel title="Counts">
        <Counts counts={run.counts} />
      </Panel>
    </Stack>
  );
}

function Facts({ run }: { run: AdminRun }) {
  const now = useNow();
  const facts: readonly (readonly [string, ReactNode])[] = [
    ["Run id", <Copyable key="id" value={run.id} what="run id" />],
    ["Mends what it finds", run.applies ? "yes" : "no, it is a dry run"],
    ["Started", <ExactTime key="started" at={run.started_at} />],
    ["Last step", <ExactTime key="updated" at={run.updated_at} />],
    ["Ended", <ExactTime key="finished" at={run.finished_at} />],
    ["Took", formatRunTime(run, now)],
    ["Steps", formatCount(run.steps)],
    ...(run.status === "RUNNING" ? ([["Just now", describePhase(run.phase)]] as const) : []),
  ];
  return <FactList facts={facts} columns={3} />;
}

function Counts({ counts }: Pick<AdminRun, "counts">) {
  return (
    <div className="table-scroll">
      <Table aria-label="Counts">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Count</Table.Th>
            <Table.Th ta="right">Users</Table.Th>
            <Table.Th>Meaning</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sortCounts(counts).map(([name, count]) => (
            <Table.Tr key={name}>
              <Table.Td>{name.replaceAll("_", " ")}</Table.Td>
              <Table.Td ta="right" className="numbers">
                {formatCount(count)}
              </Table.Td>
              <Table.Td c="dimmed">{countWords[name] ?? ""}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
