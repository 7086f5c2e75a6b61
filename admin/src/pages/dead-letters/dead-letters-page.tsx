import { Alert, Anchor, Code, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import type { DeadLetterGroup, DeadLetters } from "#core/admin/contract/jobs.ts";
import { useReading } from "../../api/use-reading.ts";
import { BulkAction } from "../../components/bulk-action.tsx";
import { EmptyState } from "../../components/empty-state.tsx";
import { PageHeader } from "../../components/page-header.tsx";
import { Panel } from "../../components/panel.tsx";
import { Reading } from "../../components/reading.tsx";
import { TimeAgo } from "../../components/time.tsx";
import { formatCount } from "../../format-time.ts";
import { groupFilter } from "./group-filter.ts";
import { listTypes } from "./list-types.ts";

const wrapping = { whiteSpace: "pre-wrap", overflowWrap: "anywhere" } as const;

/** The jobs that gave up, by what they failed with. */
export function DeadLettersPage() {
  const reading = useReading<DeadLetters>("/dead-letters");
  return (
    <>
      <PageHeader
        name="Dead letters"
        title="Dead letters"
        about="Jobs that gave up and wait for a person, by what they failed with. Correct the reason, then retry them."
      />
      <Reading of={reading}>
        {({ groups, is_complete }) => (
          <Stack gap="md">
            {!is_complete && (
              <Alert color="orange" title="There are more" role="note">
                Only the newest 10,000 dead letters were looked at; the counts are of these.
              </Alert>
            )}
            {groups.map((group) => (
              <ErrorGroup key={group.code} group={group} />
            ))}
            {groups.length === 0 && (
              <EmptyState title="No dead letters">Every job was applied, or is still being tried.</EmptyState>
            )}
          </Stack>
        )}
      </Reading>
    </>
  );
}

function ErrorGroup({ group }: { group: DeadLetterGroup }) {
  const { code, what, remedy, count, oldest_at, newest_at, job_types, sample_error, sample_job_id } = group;
  const isFiltered = groupFilter(code) !== null;
  return (
    <Panel title={`${formatCount(count)} × ${code || "no error"}`} aside={<Actions code={code} />}>
      <Text size="sm">
        {what} <strong>{remedy}</strong>
      </Text>
      {sample_error !== "" && (
        <Code block style={wrapping}>
          {sample_error}
        </Code>
      )}
      <Group gap="md" justify="space-between">
        <Text size="xs" c="dimmed" component="div">
          {listTypes(job_types)}; the oldest died <TimeAgo at={oldest_at} />, the newest <TimeAgo at={newest_at} />
        </Text>
        <Group gap="md">
          <Anchor component={Link} to={`/jobs/${sample_job_id}`} size="sm">
            An example
          </Anchor>
          {isFiltered && (
            <Anchor component={Link} to={`/jobs?status=DEAD&code=${encodeURIComponent(code)}`} size="sm">
              {count === 1 ? "The job" : "All of these jobs"}
            </Anchor>
          )}
        </Group>
      </Group>
    </Panel>
  );
}

function Actions({ code }: { code: string }) {
  const filter = groupFilter(code);
  if (filter === null) return null;
  return (
    <Group gap="xs">
      <BulkAction action="retry" filter={filter} label={`Retry all of ${code}`} />
      <BulkAction action="cancel" filter={filter} label={`Cancel all of ${code}`} />
    </Group>
  );
}
