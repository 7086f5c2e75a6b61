import { Table, Text } from "@mantine/core";
import type { JobSummary } from "#core/admin/contract/jobs.ts";
import { JobName } from "../../components/job-name.tsx";
import { Panel } from "../../components/panel.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { TimeAgo } from "../../components/time.tsx";

/** Every event and repair of the user that is still kept, newest first; on a phone an error stands below its job. */
export function UserJobs({ jobs }: { jobs: readonly JobSummary[] }) {
  return (
    <Panel title="What happened">
      {jobs.length === 0 ? (
        <Text size="sm">No job of this user is kept: no event came, or its jobs were purged since.</Text>
      ) : (
        <div className="table-scroll">
          <Table aria-label="Jobs of this user" verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Received</Table.Th>
                <Table.Th>Job</Table.Th>
                <Table.Th>Status</Table.Th>
                <Table.Th ta="right" visibleFrom="sm">
                  Attempts
                </Table.Th>
                <Table.Th visibleFrom="sm">Error</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {jobs.map((job) => (
                <JobRow key={job.id} job={job} />
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
    </Panel>
  );
}

function JobRow({ job }: { job: JobSummary }) {
  return (
    <Table.Tr>
      <Table.Td>
        <TimeAgo at={job.created_at} />
      </Table.Td>
      <Table.Td>
        <JobName job={job} />
        <Text size="xs" hiddenFrom="sm" style={{ overflowWrap: "anywhere" }}>
          {job.error}
        </Text>
      </Table.Td>
      <Table.Td w={118}>
        <StatusBadge status={job.status} />
      </Table.Td>
      <Table.Td ta="right" className="numbers" visibleFrom="sm">
        {job.attempts}
      </Table.Td>
      <Table.Td visibleFrom="sm" style={{ overflowWrap: "anywhere" }}>
        {job.error ?? "–"}
      </Table.Td>
    </Table.Tr>
  );
}
