import { Text, Timeline } from "@mantine/core";
import type { HistoryEntry, Job } from "#core/admin/contract/jobs.ts";
import { Panel } from "../../components/panel.tsx";
import { ExactTime, TimeAgo } from "../../components/time.tsx";
import { describeStep } from "./describe-step.ts";

const colors: Readonly<Record<string, string>> = { COMPLETED: "teal", FAILED: "orange", DEAD: "red" };

/** Every change of the job's state, as the database recorded it, with who made it. */
export function JobHistory({ job: { history, status, run_at } }: { job: Job }) {
  return (
    <Panel title="What happened">
      <Timeline active={history.length} bulletSize={14} lineWidth={2}>
        {history.map((entry, place) => (
          <Timeline.Item
            key={[entry.at, entry.status, entry.attempt].join()}
            color={colors[entry.status] ?? "blue"}
            title={<Title words={describeStep(entry, place, history[place - 1])} />}
          >
            <Step entry={entry} />
          </Timeline.Item>
        ))}
        {status === "FAILED" && (
          <Timeline.Item title={<Title words="Due again" />} lineVariant="dashed">
            <Text size="xs" c="dimmed">
              <ExactTime at={run_at} />, <TimeAgo at={run_at} />
            </Text>
          </Timeline.Item>
        )}
      </Timeline>
    </Panel>
  );
}

function Title({ words }: { words: string }) {
  return (
    <Text size="sm" fw={600}>
      {words}
    </Text>
  );
}

function Step({ entry: { at, error, by } }: { entry: HistoryEntry }) {
  return (
    <>
      {error !== undefined && (
        <Text size="sm" className="ids">
          {error}
        </Text>
      )}
      <Text size="xs" c="dimmed">
        <ExactTime at={at} />, <TimeAgo at={at} />
        {by !== undefined && `, by ${by}`}
      </Text>
    </>
  );
}
