import { SegmentedControl, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { Series, Window } from "#core/admin/contract/overview.ts";
import { useReading } from "../../api/use-reading.ts";
import { Panel } from "../../components/panel.tsx";
import { Reading } from "../../components/reading.tsx";
import { useFilters } from "../../components/use-filters.ts";

const choices: { value: Window; label: string }[] = [
  { value: "1h", label: "1 hour" },
  { value: "24h", label: "24 hours" },
  { value: "7d", label: "7 days" },
];
const names = ["window"] as const;

/** Chooses the time of the charts, and reads their points. */
export function ChartsFrame({ children }: { children: (series: Series) => ReactNode }) {
  const [filters, change] = useFilters(names);
  const window = choices.find(({ value }) => value === filters.window)?.value ?? "1h";
  const series = useReading<Series>("/series", { window }, { every: 15_000 });
  const choice = (
    <SegmentedControl
      size="xs"
      data={choices}
      value={window}
      onChange={(value) => change({ window: value })}
      aria-label="Time of the charts"
    />
  );
  return (
    <Panel title="Over time" aside={choice}>
      <Reading of={series}>{(data) => (isQuiet(data) ? <Quiet /> : children(data))}</Reading>
    </Panel>
  );
}

function Quiet() {
  return <Text size="sm">Nothing came and nothing was worked on in this time. Choose a longer one.</Text>;
}

function isQuiet({ points }: Series): boolean {
  return points.every(
    ({ received, completed, failed_attempts, dead }) => received + completed + failed_attempts + dead === 0,
  );
}
