import { Text, Timeline } from "@mantine/core";
import type { HistoryEntry, Job } from "#core/admin-jobs-contract.ts";
import type { AuditEntry, AuditPage } from "#core/admin-overview-contract.ts";
import { useReading } from "../../api/use-reading.ts";
import { Panel } from "../../components/panel.tsx";
import { ExactTime, TimeAgo } from "../../components/time.tsx";
import { describeStep } from "./describe-step.ts";
import { whoDid } from "./who-did.ts";

const colors: Readonly<Record<string, string>> = { COMPLETED: "teal", FAILED: "orange", DEAD: "red" };

const nothing: readonly AuditEntry[] = [];

/** Every change of the job's state, as the database recorded it, with who did what the audit knows of. */
export function JobHistory({ job: { id, history, status, run_at } }: { job: Job }) {
  const { data, error: unread } = useReading<AuditPage>("/audit", { subject: id });
  const audit = data?.entries ?? nothing;
  return (
    <Panel title="What happened">
      <Timeline active={history.length} bulletSize={14} lineWidth={2}>
        {history.map((entry, place) => (
          <Timeline.Item
            key={[entry.at, entry.status, entry.attempt].join()}
            color={colors[entry.status] ?? "blue"}
            title={<Title words={describeStep(entry, place, history[place - 1])} />}
          >
            <Step entry={entry} names={whoDid(entry, audit)} />
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
      {unread && (
        <Text size="xs" c="dimmed">
          The audit could not be read: who retried or cancelled is not shown.
        </Text>
      )}
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

function Step({ entry: { at, error, by }, names }: { entry: HistoryEntry; names: readonly string[] }) {
  return (
    <>
      {error !== undefined && (
        <Text size="sm" className="ids">
          {error}
        </Text>
      )}
      <Text size="xs" c="dimmed">
        <ExactTime at={at} />, <TimeAgo at={at} />
        {names.length > 0 && `, by ${names.join(" or ")}`}
        {by !== undefined && `, by hand in the database: ${by}`}
      </Text>
    </>
  );
}
