import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { databaseFamilies } from "#core/metrics/families.ts";
import { formatMetrics } from "#core/metrics/format-metrics.ts";
import { createProcessMetrics } from "../../server/process-metrics.ts";
import { metricFacts } from "../support/metrics/metric-facts.ts";
import { type Expression, parsePromql } from "../support/metrics/parse-promql.ts";
import { readMetrics } from "../support/metrics/read-metrics.ts";

const root = new URL("../../", import.meta.url);
const read = (name: string) => readFile(new URL(name, root), "utf8");

type Rule = { alert: string; expr: string; labels: { severity: string }; annotations: Record<string, string> };
type Panel = { title: string; description?: string; type: string; targets?: { expr: string }[] };

const rules: Rule[] = parse(await read("ops/prometheus/clerk-sync.rules.yml")).groups[0].rules;
const panels: Panel[] = JSON.parse(await read("ops/grafana/clerk-sync.json")).panels;
const families = [...databaseFamilies(metricFacts), ...createProcessMetrics()()];
const samples = readMetrics(formatMetrics(families)).samples();
/** Prometheus adds these to every sample of a scrape. */
const targetLabels = ["job", "instance"];

const expressions: [string, string][] = [
  ...rules.map(({ alert, expr }): [string, string] => [alert, expr]),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }): [string, string] => [title, expr])),
];

const labelsOf = (metric: string) => [
  ...targetLabels,
  ...new Set(samples.filter(({ name }) => name === metric).flatMap(({ labels }) => Object.keys(labels))),
];

/** What an expression names that no scrape has. */
function findUnknown({ selectors, groupingLabels }: Expression): string[] {
  const own = selectors.filter(({ metric }) => metric !== "up");
  const known = own.flatMap(({ metric }) => labelsOf(metric));
  const unknownLabels = own.length === 0 ? [] : groupingLabels.filter((label) => !known.includes(label));
  const unmatched = own.flatMap(({ metric, matchers }) =>
    matchers
      .filter(({ label }) => !targetLabels.includes(label))
      .filter(({ label, value }) => {
        const pattern = new RegExp(`^(?:${value})$`);
        return !samples.some(({ name, labels }) => name === metric && pattern.test(labels[label] ?? ""));
      })
      .map(({ label, value }) => `${metric}{${label}=${value}}`),
  );
  const names = own.map(({ metric }) => metric).filter((metric) => !samples.some(({ name }) => name === metric));
  return [...names, ...unknownLabels, ...unmatched];
}

describe("dashboard and rules", () => {
  it.each(expressions)("%s names only metrics and labels that a scrape has", (_, source) => {
    const expression = parsePromql(source);
    expect(expression.selectors).not.toHaveLength(0);
    expect(findUnknown(expression)).toEqual([]);
  });

  it.each([
    ["clerk_sync_gone > 0", ["clerk_sync_gone"]],
    ['clerk_sync_jobs{status="GONE"}', ["clerk_sync_jobs{status=GONE}"]],
    ["sum by (gone) (clerk_sync_jobs)", ["gone"]],
  ])("this check finds what is wrong in %s", (source, unknown) => {
    expect(findUnknown(parsePromql(source))).toEqual(unknown);
  });

  it("what is not PromQL is found", () => {
    expect(() => parsePromql("sum(clerk_sync_jobs")).toThrow("not PromQL");
  });

  it("every metric of the database is on the dashboard or in a rule", () => {
    const used = new Set(
      expressions.flatMap(([, source]) => parsePromql(source).selectors.map(({ metric }) => metric)),
    );
    const unused = families
      .map(({ name }) => name)
      .filter((name) => ![name, `${name}_bucket`].some((one) => used.has(one)));
    expect(unused).toEqual([
      "clerk_sync_info",
      "clerk_sync_run_active",
      "clerk_sync_counted_age_seconds",
      "process_start_time_seconds",
    ]);
  });

  it("every panel says what it shows, and every alert what is wrong and what to do next", () => {
    for (const { title, type, description } of panels) if (type !== "row") expect(description, title).toBeTruthy();
    for (const { alert, labels, annotations } of rules) {
      expect(Object.keys(annotations), alert).toEqual(["summary", "description", "next_step"]);
      expect(labels.severity).toMatch(/^(warning|critical)$/);
    }
  });
});

describe("an alert and the health of the same thing have one threshold", async () => {
  const sql = await read("supabase/schemas/17_health.sql");
  const threshold = (name: string) => Number(sql.match(new RegExp(`([0-9.]+)\\) as ${name}\\b`))?.[1]);
  it.each([
    ["ClerkSyncQueueLate", [60 * threshold("due_degraded_minutes")]],
    ["ClerkSyncQueueStuck", [60 * threshold("due_compromised_minutes")]],
    ["ClerkSyncRefreshesWait", [60 * threshold("refresh_degraded_minutes")]],
    ["ClerkSyncSilenceUnchecked", [3600 * threshold("unchecked_degraded_hours")]],
    ["ClerkSyncDrift", [threshold("drift_degraded_percent") / 100, threshold("drift_degraded")]],
    ["ClerkSyncManyDeadLetters", [threshold("dead_compromised_percent") / 100, threshold("dead_compromised"), 10_000]],
  ])("%s", (alert, numbers) => {
    const rule = rules.find((one) => one.alert === alert);
    expect(parsePromql(rule?.expr ?? "").numbers).toEqual(numbers);
  });
});

describe("docs/metrics.md", async () => {
  const document = await read("docs/metrics.md");
  const rows = document.matchAll(/^\| `([a-z_]+)` +\| (gauge|counter|histogram) +\| ([^|]*)\|/gm);
  const documented = [...rows].map(([, name, type, labels = ""]) => [
    name,
    type,
    [...labels.matchAll(/`([a-z_]+)`/g)].map(([, label]) => label),
  ]);

  it("has every metric with its type and labels, and no other", () => {
    const emitted = families.map(({ name, type, samples: own }) => [
      name,
      type,
      [...new Set(own.flatMap(({ labels }) => Object.keys(labels)))].filter((label) => label !== "le"),
    ]);
    expect(documented).toEqual(emitted);
  });
});
