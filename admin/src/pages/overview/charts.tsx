import "@mantine/charts/styles.css";
import { BarChart, type ChartSeries, LineChart, type LineChartSeries } from "@mantine/charts";
import { Stack, Text } from "@mantine/core";
import { type ReactNode, useId } from "react";
import type { Series } from "#core/admin/contract/overview.ts";
import { formatDuration } from "../../format-time.ts";
import { type ChartRow, chooseTicks, describeRows, shortenTick, toRows } from "./chart-rows.ts";
import classes from "./overview.module.css";

const rate: LineChartSeries[] = [
  { name: "received", label: "received", color: "indigo.5" },
  { name: "completed", label: "completed", color: "teal.5", strokeDasharray: "6 4" }, // lies on the other when all is well,
];
const latency: ChartSeries[] = [
  { name: "p50", label: "half within", color: "indigo.5" },
  { name: "p95", label: "95 % within", color: "orange.5" },
];
const errors: ChartSeries[] = [
  { name: "failed", label: "failed attempts", color: "orange.5" },
  { name: "dead", label: "dead letters", color: "red.6" },
];
const perMinute = (value: number) => `${Number(value.toFixed(value < 10 ? 1 : 0))}/min`;
const common = {
  h: 190,
  dataKey: "time",
  withLegend: true,
  strokeDasharray: "2 4",
  tickLine: "none",
  yAxisProps: { width: 68, allowDecimals: false },
} as const;
const line = { ...common, curveType: "linear", withDots: false, strokeWidth: 1.5, connectNulls: false } as const;
/** Where little comes, a value may stand between two intervals without any: there is no line to it. */
const dots = { withDots: true, dotProps: { r: 1.5, strokeWidth: 0 } } as const;

/** Rate, latency and errors over the time that was read. */
export function Charts({ series }: { series: Series }) {
  const rows = toRows(series);
  const xAxisProps = {
    ticks: chooseTicks(series),
    tickFormatter: shortenTick,
    interval: "equidistantPreserveStart",
    minTickGap: 4,
  } as const;
  return (
    <div className={classes.charts}>
      <Chart title="Jobs per minute" rows={rows} of={["received", "completed"]} format={perMinute}>
        <LineChart {...line} xAxisProps={xAxisProps} data={rows} series={rate} valueFormatter={perMinute} />
      </Chart>
      <Chart title="From receipt to completion" rows={rows} of={["p50", "p95"]} format={formatDuration}>
        <LineChart
          {...line}
          {...dots}
          xAxisProps={xAxisProps}
          data={rows}
          series={latency}
          valueFormatter={formatDuration}
        />
      </Chart>
      <Chart title="Errors" rows={rows} of={["failed", "dead"]} format={String}>
        <BarChart {...common} xAxisProps={xAxisProps} type="stacked" data={rows} series={errors} />
      </Chart>
    </div>
  );
}

type ChartProps = {
  title: string;
  rows: ChartRow[];
  of: readonly (keyof ChartRow)[];
  format: (value: number) => string;
  children: ReactNode;
};

/** A chart with a name, and its newest and highest values in words for who cannot see it. */
function Chart({ title, rows, of, format, children }: ChartProps) {
  const id = useId();
  return (
    <Stack gap="xs" component="figure" m={0} miw={0} aria-labelledby={id}>
      <Text component="figcaption" size="sm" fw={500} id={id}>
        {title}
      </Text>
      <div role="img" aria-label={describeRows(rows, of, format)}>
        {children}
      </div>
    </Stack>
  );
}
