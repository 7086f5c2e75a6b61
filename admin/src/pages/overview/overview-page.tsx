import { SimpleGrid, Stack } from "@mantine/core";
import { lazy, Suspense } from "react";
import type { Overview } from "#core/admin/contract/overview.ts";
import { useReading } from "../../api/use-reading.ts";
import { PageHeader } from "../../components/page-header.tsx";
import { Reading } from "../../components/reading.tsx";
import { BrakePanel } from "./brake-panel.tsx";
import { ChartsFrame } from "./charts-frame.tsx";
import { CircuitsPanel } from "./circuits-panel.tsx";
import { HealthPanel } from "./health-panel.tsx";
import { KeyFigures } from "./key-figures.tsx";
import { OpenRun } from "./open-run.tsx";
import { QueuePanel } from "./queue-panel.tsx";

const Charts = lazy(async () => ({ default: (await import("./charts.tsx")).Charts }));

/** Whether users are in step, in one look. */
export function OverviewPage() {
  const overview = useReading<Overview>("/overview");
  return (
    <>
      <PageHeader name="Overview" title="Overview" />
      <Reading of={overview}>{(data) => <Everything overview={data} />}</Reading>
    </>
  );
}

function Everything({ overview }: { overview: Overview }) {
  return (
    <Stack gap="md">
      <HealthPanel health={overview.health} />
      {overview.open_run && <OpenRun run={overview.open_run} />}
      <KeyFigures overview={overview} />
      <QueuePanel counts={overview.jobs} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <CircuitsPanel circuits={overview.circuits} />
        <BrakePanel brake={overview.brake} />
      </SimpleGrid>
      <ChartsFrame>
        {(series) => (
          <Suspense fallback={null}>
            <Charts series={series} />
          </Suspense>
        )}
      </ChartsFrame>
    </Stack>
  );
}
