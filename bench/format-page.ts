import { formatRows } from "./format-rows.ts";
import { formatTable } from "./format-table.ts";
import type { Result } from "./result.ts";

const head = `# Performance

Written by \`npm run bench\`, not by hand, from the stored results in \`bench/results/\`, which hold every single measurement.
[How it is measured](../bench/README.md). [What 1, 10 and 100 million users need](scale.md) is reckoned from it.

Read the ratio: above 1 it is in favour of this project. Where two or more others did the same work it is held against the best
of them. Client, servers and PostgreSQL share one machine with a local disk: rates elsewhere differ, ratios should not by much.
`;

/** docs/performance.md; its plots are in docs/performance/. Scenarios that are not in `order` come last. */
export function formatPage(results: readonly Result[], order: readonly string[]): string {
  const place = ({ scenario }: Result) => (order.includes(scenario) ? order.indexOf(scenario) : order.length);
  const sorted = [...results].sort((one, other) => place(one) - place(other));
  return [head, formatAims(sorted), ...sorted.map(formatSection)].join("\n");
}

/** What is aimed at, and whether it was reached. */
function formatAims(results: readonly Result[]): string {
  const cells = results.flatMap(({ scenario, rows }) =>
    rows.flatMap(({ what, against, ratio, goal }) =>
      goal === null
        ? []
        : [[`[${scenario}](#${scenario})`, what, against, ratio.toFixed(2), `≥ ${goal}`, ratio >= goal ? "yes" : "no"]],
    ),
  );
  const columns = ["scenario", "", "against", "ratio", "aim", "reached"].map((title) => {
    return { title, align: title === "ratio" ? ("right" as const) : ("left" as const) };
  });
  return `## Aims\n\n${formatTable(columns, cells)}\n`;
}

function formatSection({ scenario, question, rows, notes, ...result }: Result): string {
  return `## ${scenario}

${capitalise(question)}

${formatRows(rows)}

![${scenario}: bars of the table above](performance/${scenario}.svg)

${notes.map((note) => `- ${note}`).join("\n")}

${describeRun(result)}
`;
}

function describeRun({
  date,
  commit,
  machine,
  load,
  options,
}: Omit<Result, "scenario" | "question" | "rows" | "notes">) {
  const settings = Object.entries(options).map(([name, value]) => `${name} ${value.toLocaleString("en-US")}`);
  const on = `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, PostgreSQL ${machine.postgres}, Node ${machine.node}`;
  const peers = `pg-boss ${machine.pgBoss}, graphile-worker ${machine.graphileWorker}`;
  const busy = `Load average ${load.before.toFixed(1)} before the run, ${load.after.toFixed(1)} at the end of the scenario`;
  return `${date.slice(0, 10)}, commit ${commit}: ${on}; ${peers}. ${busy}. Options: ${settings.join(", ")}.`;
}

export function capitalise(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
