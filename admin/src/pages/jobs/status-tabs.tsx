import { Tabs, Text } from "@mantine/core";
import type { JobCounts, JobFilter } from "#core/admin/contract/jobs.ts";
import { useReading } from "../../api/use-reading.ts";
import { tellCount } from "./count-words.ts";
import { statusTabs } from "./job-filter.ts";

type Props = { filter: JobFilter; onChange: (status: string | null) => void };

const all = "all";

/** One tab a status, with how many jobs match the other filters. */
export function StatusTabs({ filter: { status, ...others }, onChange }: Props) {
  const { data } = useReading<JobCounts>("/jobs/counts", others);
  const chosen = status?.length === 1 ? status[0] : undefined;
  return (
    <Tabs
      value={status === undefined ? all : (chosen ?? null)}
      onChange={(value) => onChange(value === all ? null : value)}
      mb="sm"
      aria-label="Status"
    >
      <Tabs.List>
        <Tabs.Tab value={all}>All</Tabs.Tab>
        {statusTabs.map((name) => (
          <Tabs.Tab key={name} value={name} rightSection={<Count counts={data} status={name} />}>
            {name.toLowerCase()}
          </Tabs.Tab>
        ))}
      </Tabs.List>
    </Tabs>
  );
}

function Count({ counts, status }: { counts: JobCounts | undefined; status: (typeof statusTabs)[number] }) {
  if (counts === undefined) return null;
  const text = tellCount(counts, status);
  const title = text.endsWith("+") ? "Only the newest jobs were looked at: there may be more" : undefined;
  return (
    <Text span size="xs" c="dimmed" className="numbers" title={title}>
      {text}
    </Text>
  );
}
