import { Anchor, Text } from "@mantine/core";
import { Link } from "react-router";
import type { JobSummary } from "#core/admin-jobs-contract.ts";
import { sourceWords, typeWords } from "../job-words.ts";

/** What a job is about, leading to it, and where it came from. */
export function JobName({ job: { id, job_type, source } }: { job: JobSummary }) {
  return (
    <>
      <Anchor component={Link} to={`/jobs/${id}`} size="sm">
        {typeWords[job_type]}
      </Anchor>
      <Text size="xs" c="dimmed">
        {sourceWords[source] ?? source}
      </Text>
    </>
  );
}
