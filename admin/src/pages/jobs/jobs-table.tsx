import { Anchor, Box, Checkbox, Table, Text } from "@mantine/core";
import { Link } from "react-router";
import type { JobSummary } from "#core/admin/contract/jobs.ts";
import { JobName } from "../../components/job-name.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { TimeAgo } from "../../components/time.tsx";
import classes from "./jobs.module.css";

type Props = {
  jobs: readonly JobSummary[];
  selected: ReadonlySet<string>;
  select: (ids: ReadonlySet<string>) => void;
};

export function JobsTable({ jobs, selected, select }: Props) {
  const chosen = jobs.filter(({ id }) => selected.has(id)).length;
  const toggleAll = () => select(new Set(chosen === jobs.length ? [] : jobs.map(({ id }) => id)));
  const toggle = (id: string) =>
    select(new Set(selected.has(id) ? [...selected].filter((other) => other !== id) : [...selected, id]));
  return (
    <div className="surface table-scroll">
      <Table aria-label="Jobs" verticalSpacing={6} highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={36}>
              <Checkbox
                size="xs"
                aria-label="Select all that are shown"
                checked={chosen > 0 && chosen === jobs.length}
                indeterminate={chosen > 0 && chosen < jobs.length}
                onChange={toggleAll}
              />
            </Table.Th>
            <Table.Th visibleFrom="sm">Received</Table.Th>
            <Table.Th>Job</Table.Th>
            <Table.Th>Status</Table.Th>
            <Table.Th visibleFrom="sm">User</Table.Th>
            <Table.Th ta="right" visibleFrom="sm">
              Attempts
            </Table.Th>
            <Table.Th visibleFrom="sm">What happened</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {jobs.map((job) => (
            <JobRow key={job.id} job={job} isSelected={selected.has(job.id)} onToggle={() => toggle(job.id)} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

type RowProps = { job: JobSummary; isSelected: boolean; onToggle: () => void };

/** All of the row opens the job, except what is above the link. */
function JobRow({ job, isSelected, onToggle }: RowProps) {
  return (
    <Table.Tr {...(isSelected && { "data-selected": true })} className={classes.row}>
      <Table.Td className={classes.above}>
        <Checkbox size="xs" aria-label={`Select job ${job.id}`} checked={isSelected} onChange={onToggle} />
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <Received job={job} />
      </Table.Td>
      <Table.Td className={classes.job}>
        <JobName job={job} linkClass={classes.link} />
        <Below job={job} />
      </Table.Td>
      <Table.Td className={classes.status}>
        <StatusBadge status={job.status} />
      </Table.Td>
      <Table.Td className="ids" visibleFrom="sm">
        <UserLink clerkId={job.clerk_id} />
      </Table.Td>
      <Table.Td ta="right" className="numbers" visibleFrom="sm">
        {job.attempts}/{job.max_attempts}
      </Table.Td>
      <Table.Td className={classes.what} visibleFrom="sm">
        <WhatHappened job={job} />
      </Table.Td>
    </Table.Tr>
  );
}

/** What the other columns say, where there is no room for them. */
function Below({ job }: { job: JobSummary }) {
  return (
    <Box hiddenFrom="sm" className={classes.below}>
      <Text size="xs" c="dimmed">
        received <Received job={job} />
      </Text>
      {job.clerk_id !== null && (
        <Text size="xs" component="div" className="ids">
          <UserLink clerkId={job.clerk_id} />
        </Text>
      )}
      <WhatHappened job={job} />
    </Box>
  );
}

/** Above the link of the row, so that the exact time shows beside the pointer. */
function Received({ job }: { job: JobSummary }) {
  return (
    <span className={classes.above}>
      <TimeAgo at={job.created_at} />
    </span>
  );
}

function UserLink({ clerkId }: { clerkId: string | null }) {
  if (clerkId === null) return "–";
  return (
    <Anchor component={Link} to={`/users/${encodeURIComponent(clerkId)}`} inherit className={classes.above ?? ""}>
      {clerkId}
    </Anchor>
  );
}

function WhatHappened({ job: { status, error, run_at, processed_at, waits_for } }: { job: JobSummary }) {
  if (waits_for !== null)
    return <Text size="sm">waits until {waits_for === "auth" ? "Supabase Auth" : "Clerk's API"} is back</Text>;
  return (
    <>
      {error !== null && (
        <Text size="sm" lineClamp={3}>
          {error}
        </Text>
      )}
      {status === "FAILED" && (
        <Text size="xs" c="dimmed">
          tried again <TimeAgo at={run_at} />
        </Text>
      )}
      {status === "COMPLETED" && (
        <Text size="xs" c="dimmed">
          done <TimeAgo at={processed_at} />
        </Text>
      )}
    </>
  );
}
