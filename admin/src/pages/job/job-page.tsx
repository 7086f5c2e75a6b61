import { Anchor, Stack } from "@mantine/core";
import { useState } from "react";
import { Link, useParams } from "react-router";
import type { Job } from "#core/admin/contract/jobs.ts";
import { useReading } from "../../api/use-reading.ts";
import { PageHeader } from "../../components/page-header.tsx";
import { Panel } from "../../components/panel.tsx";
import { Reading } from "../../components/reading.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { typeWords } from "../../job-words.ts";
import { isNoJob } from "./is-no-job.ts";
import { JobActions } from "./job-actions.tsx";
import { JobFacts } from "./job-facts.tsx";
import { JobHistory } from "./job-history.tsx";
import { NoJob } from "./no-job.tsx";
import { PayloadPanel } from "./payload-panel.tsx";
import { Trouble } from "./trouble.tsx";

/** One job: what it is, why it is where it is, what happened to it, and what it carries. */
export function JobPage() {
  const { id = "" } = useParams();
  return <OneJob key={id} id={id} />; // nothing of the job before it stays on the page
}

function OneJob({ id }: { id: string }) {
  const reading = useReading<Job>(`/jobs/${encodeURIComponent(id)}`);
  const [revealed, setRevealed] = useState<Job | null>(null);
  const shown = revealed?.updated_at === reading.data?.updated_at ? revealed : null;
  const isMissing = reading.data === undefined && isNoJob(reading.error);
  return (
    <>
      <PageHeader
        name="Job"
        title={reading.data ? `Job: ${typeWords[reading.data.job_type]}` : "Job"}
        about={
          <Anchor component={Link} to="/jobs" size="sm">
            All jobs
          </Anchor>
        }
      >
        {reading.data && <JobActions job={reading.data} />}
      </PageHeader>
      {isMissing ? (
        <NoJob id={id} />
      ) : (
        <Reading of={reading}>
          {(job) => (
            <Stack gap="md">
              <Trouble job={job} />
              <Panel title="Job" aside={<StatusBadge status={job.status} size="lg" />}>
                <JobFacts job={job} />
              </Panel>
              <JobHistory job={job} />
              <PayloadPanel job={shown ?? job} onRevealed={setRevealed} />
            </Stack>
          )}
        </Reading>
      )}
    </>
  );
}
