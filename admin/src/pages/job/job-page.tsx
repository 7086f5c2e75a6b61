import { Alert, Anchor, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Link, useParams } from "react-router";
import type { Job } from "#core/admin-jobs-contract.ts";
import { useReading } from "../../api/use-reading.ts";
import { Copyable } from "../../components/copyable.tsx";
import { explainError } from "../../components/error-remedy.ts";
import { FactList } from "../../components/fact-list.tsx";
import { PageHeader } from "../../components/page-header.tsx";
import { Panel } from "../../components/panel.tsx";
import { Reading } from "../../components/reading.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { ExactTime, TimeAgo } from "../../components/time.tsx";
import { sourceWords, typeWords } from "../jobs/job-filter.ts";
import { JobActions } from "./job-actions.tsx";
import { JobHistory } from "./job-history.tsx";
import { PayloadPanel } from "./payload-panel.tsx";

/** One job: what it is, why it is where it is, what happened to it, and what it carries. */
export function JobPage() {
  const { id = "" } = useParams();
  const reading = useReading<Job>(`/jobs/${encodeURIComponent(id)}`);
  const [revealed, setRevealed] = useState<Job | null>(null);
  const shown = revealed?.id === id ? revealed : null;
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
    </>
  );
}

function Trouble({ job: { status, error, waits_for, run_at } }: { job: Job }) {
  if (waits_for !== null) {
    return (
      <Alert color="orange" title={`It waits for ${waits_for === "auth" ? "Supabase Auth" : "Clerk's API"}`}>
        Calls there are paused because they failed. Nothing is lost: the job goes on when they work again.
      </Alert>
    );
  }
  if (error === null) return null;
  const { what, remedy } = explainError(error);
  return (
    <Alert color={status === "DEAD" ? "red" : "orange"} title={what}>
      <Text size="sm">
        {remedy} {status === "FAILED" && <AgainAt at={run_at} />}
      </Text>
      <Text size="sm" className="ids" mt={4}>
        {error}
      </Text>
    </Alert>
  );
}

function AgainAt({ at }: { at: string }) {
  return (
    <>
      It is tried again by itself <TimeAgo at={at} />.
    </>
  );
}

function JobFacts({ job }: { job: Job }) {
  const { id, clerk_id, event_id, source, attempts, max_attempts, created_at, run_at, processed_at, lease_until } = job;
  const isOpen = job.status === "PENDING" || job.status === "FAILED";
  const user = clerk_id === null ? "none is named" : <UserLink clerkId={clerk_id} />;
  return (
    <FactList
      facts={[
        ["User", user],
        ["Job id", <Copyable key="id" value={id} what="job id" />],
        ["Event id", event_id === null ? "–" : <Copyable key="event" value={event_id} what="event id" />],
        ["Source", sourceWords[source] ?? source],
        ["Attempts", `${attempts} of ${max_attempts}`],
        ["Received", <ExactTime key="received" at={created_at} />],
        isOpen ? ["Due", <TimeAgo key="due" at={run_at} />] : ["Ended", <ExactTime key="ended" at={processed_at} />],
        ["Lease until", <ExactTime key="lease" at={lease_until} />],
      ]}
    />
  );
}

function UserLink({ clerkId }: { clerkId: string }) {
  return (
    <Anchor component={Link} to={`/users/${encodeURIComponent(clerkId)}`} className="ids">
      {clerkId}
    </Anchor>
  );
}
